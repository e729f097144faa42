// The volume viewer in the page: React puts its element there, and may change its address.
// Arrays are d h w in the patient's frame: d runs to superior, h to anterior, w to the right.
// All planes show rows and columns from the high end of their axes (dashboards/voxsiam_dashboards/figures/overlays.py).
// Every text is set as text.

import { make } from "./viewer/elements.mjs";
import { Viewer } from "./viewer/viewer.mjs";
import { fetched } from "./viewer/voxels.mjs";

async function mount(element) {
  const address = element.dataset.viewer;
  if (element.mounted === address) return;
  element.mounted = address;
  element.viewer?.leave();
  element.dataset.state = "opening";
  element.replaceChildren(make("p", { className: "soft" }, "Opening the case ..."));
  try {
    const facts = await (await fetched(address)).json();
    const viewer = new Viewer(element, facts);
    if (element.mounted !== address) return;
    element.viewer = viewer;
    await viewer.open();
  } catch (error) {
    element.dataset.state = "failed";
    const told = `The case cannot be shown: ${error.message}`;
    element.replaceChildren(make("p", { role: "alert" }, told));
  }
}

const mountAll = () => document.querySelectorAll(".voxel-viewer[data-viewer]").forEach(mount);
new MutationObserver(mountAll).observe(document.body, {
  childList: true, subtree: true, attributes: true, attributeFilter: ["data-viewer"],
});
mountAll();

// A link to another slice of the case that is open.
function follow() {
  const asked = new URLSearchParams(window.location.search);
  for (const element of document.querySelectorAll(".voxel-viewer")) {
    const { viewer } = element;
    if (window.location.pathname !== viewer?.path) continue;
    if (!viewer.at || (asked.get("case") ?? viewer.facts.case) !== viewer.facts.case) continue;
    clearTimeout(viewer.writing);
    viewer.restore();
    if (asked.has("organ")) element.scrollIntoView({ block: "nearest" });
  }
}
window.addEventListener("_dashprivate_pushstate", follow);
window.addEventListener("popstate", follow);
