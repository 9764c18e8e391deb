"""Whether a person can use what is on a page: with a screen reader, with the keyboard alone, and
while values change."""

from contextlib import contextmanager

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

PANEL = ".msl-panel"
"""The panels on a page; the application around them is not ours."""

BODY = """overflow => {
    const before = document.body.style.overflow;
    document.body.style.overflow = overflow;
    return before;
}"""


def assert_accessible(page: Page, selector: str = PANEL) -> None:
    """Have axe-core look at what is on the page.

    Args:
        page: The page.
        selector: What is looked at.

    Raises:
        AssertionError: Something can't be read or used by everybody; it says what, and why.
    """
    # JupyterLab's body has no height: axe-core would take all that is in it for cut off
    before = page.evaluate(BODY, "visible")
    found = Axe().run(page, context={"include": [[selector]]}, options={}).response
    page.evaluate(BODY, before)
    read = [rule for rule in found["passes"] if rule["id"] == "color-contrast"]
    assert any(check["data"].get("contrastRatio") for rule in read for check in _checks(rule)), (
        f"no text has been found in {selector}"
    )
    assert not found["violations"], "\n\n".join(map(_describe, found["violations"]))


def _checks(rule):
    return [check for node in rule["nodes"] for check in node["any"]]


def _describe(violation) -> str:
    nodes = []
    for node in violation["nodes"]:
        checks = [check["message"] for check in (*node["any"], *node["all"], *node["none"])]
        nodes.append("\n    ".join([f"  {node['html'][:300]}", *checks]))
    return "\n".join([f"{violation['id']} ({violation['impact']}): {violation['help']}", *nodes])


WATCH = """selector => {
    const controls = 'button, input, select, textarea, summary, [role=button]';
    const places = new Map();
    const watch = window.mslWatch = {moved: [], frames: 0};
    const look = () => {
        watch.frames += 1;
        for (const panel of document.querySelectorAll(selector)) {
            if (panel.parentElement.closest(selector)) continue;
            const origin = panel.getBoundingClientRect();
            for (const control of panel.querySelectorAll(controls)) {
                const place = control.getBoundingClientRect();
                if (!place.width) { places.delete(control); continue; }
                const now = [place.left - origin.left, place.top - origin.top];
                const before = places.get(control);
                if (before && Math.hypot(now[0] - before[0], now[1] - before[1]) > 1) {
                    const name = control.getAttribute('aria-label') || control.innerText
                        || control.title || control.outerHTML.slice(0, 120);
                    watch.moved.push(`${name}: from ${before.map(Math.round)} to `
                        + `${now.map(Math.round)}`);
                }
                places.set(control, now);
            }
        }
        watch.next = requestAnimationFrame(look);
    };
    look();
}"""

UNWATCH = """() => {
    cancelAnimationFrame(window.mslWatch.next);
    return [window.mslWatch.frames, window.mslWatch.moved];
}"""


@contextmanager
def nothing_moves(page: Page, selector: str = PANEL):
    """Watch what can be clicked, frame by frame: it must stay where it is in its panel.

    Raises:
        AssertionError: Something was moved by more than a pixel; it says what, and where to.
    """
    page.evaluate(WATCH, selector)
    yield
    frames, moved = page.evaluate(UNWATCH)
    assert frames > 1, "the page has not been drawn meanwhile"
    assert not moved, "\n".join(moved)


FOCUSABLE = """selector => {
    const inside = document.querySelector(selector).querySelectorAll(
        'a[href], button, input, select, textarea, summary, [tabindex]');
    window.mslFocusable = Array.from(inside).filter(element => element.tabIndex >= 0
        && !element.disabled && element.getClientRects().length
        && getComputedStyle(element).visibility === 'visible'
        && (element.type !== 'radio' || element.checked));
    return window.mslFocusable.map(element => (element.getAttribute('aria-label')
        || element.innerText || element.labels && element.labels[0] && element.labels[0].innerText
        || element.outerHTML).slice(0, 80));
}"""

FOCUSED = """() => window.mslFocusable.indexOf(document.activeElement)"""

ACTIVE = "() => document.activeElement.outerHTML.slice(0, 200)"

LOOKS = """index => {
    const look = getComputedStyle(window.mslFocusable[index]);
    return [look.outline, look.boxShadow, look.borderColor, look.backgroundColor].join('; ');
}"""


def walk(page: Page, selector: str) -> None:
    """Go through all that can be used, with the Tab key, and back with Shift+Tab.

    Raises:
        AssertionError: Something is not reached, or does not show that it is, or holds the focus.
    """
    names = page.evaluate(FOCUSABLE, selector)
    everything = range(len(names))
    apart = [page.evaluate(LOOKS, index) for index in everything]
    page.evaluate("() => window.mslFocusable[0].focus({focusVisible: true})")
    for key, way in (("Tab", everything), ("Shift+Tab", reversed(everything))):
        for index in way:
            assert page.evaluate(FOCUSED) == index, (
                f"{names[index]}: not reached with {key}, but {page.evaluate(ACTIVE)}"
            )
            assert page.evaluate(LOOKS, index) != apart[index], f"{names[index]}: no focus is seen"
            page.keyboard.press(key)
        assert page.evaluate(FOCUSED) == -1, f"{key} does not lead out of it"
        # and back in
        page.keyboard.press("Shift+Tab" if key == "Tab" else "Tab")
