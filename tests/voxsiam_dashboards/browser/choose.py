"""How a reader chooses: the field under its label, then one of the list."""


def choose(page, label, option):
    page.locator("label.wide", has_text=label).locator("button").click()
    page.get_by_role("option", name=option).first.click()


def choose_next_by_keyboard(page):
    """Reach the first field by Tab alone, and take what stands below its present value."""
    for _ in range(20):
        page.keyboard.press("Tab")
        if "dash-dropdown" in page.evaluate("document.activeElement.className"):
            break
    page.keyboard.press("Enter")
    page.locator("[role=listbox] :focus").wait_for(state="attached")
    page.keyboard.press("ArrowDown")
    page.locator("[role=listbox] :focus:not(:checked)").wait_for(state="attached")
    page.keyboard.press("Enter")
