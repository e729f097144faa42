// A link in a grid, or its text where it leads nowhere. React escapes it. A plain click stays in the page.
window.dashAgGridComponentFunctions = window.dashAgGridComponentFunctions || {};
window.dashAgGridComponentFunctions.StudyLink = function (props) {
  const go = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    window.history.pushState({}, "", props.data.address);
    // What Dash's own links tell its location.
    window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
  };
  if (!props.data.address) return props.value;
  return React.createElement("a", { href: props.data.address, onClick: go }, props.value);
};
