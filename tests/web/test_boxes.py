"""Nothing on the page overlaps or sticks out, with seeds as long as the server draws them."""

import pytest
from playwright.sync_api import expect

SEED = 4294967288
PAGES = {
    "models": "#/models",
    "samples": f"#/make/toy-cgan/conditional?label=3&n=9&seed={SEED}",
    "beside": f"#/make/toy-dcgan/sample?n=8&seed={SEED}&beside=toy-gmm",
    "styles": f"#/translate/toy-munit?n=4&seed={SEED}",
    "model": "#/models/mnist-cgan",
    "queue": "#/queue",
}
FAULTS = """() => {
    const faults = [];
    const shown = (one) => one.checkVisibility({ opacityProperty: true }) && !one.closest("svg, .visually-hidden");
    const flows = (one) => !["absolute", "fixed", "sticky"].includes(getComputedStyle(one).position);
    const box = (one) => one.getBoundingClientRect();
    const named = (one) => `${one.localName}.${one.className} ${JSON.stringify(box(one))}`;
    for (const parent of document.querySelectorAll("main, main *")) {
        if (!shown(parent) || !["block", "flex", "grid"].includes(getComputedStyle(parent).display)) continue;
        const scrolls = parent.closest(".scroll-x, .tabs, .strip, .code, select, nav") !== null;
        const children = Array.from(parent.children).filter((one) => shown(one) && flows(one) && box(one).width);
        for (const child of scrolls ? [] : children)
            if (box(child).right > box(parent).right + 1 || box(child).left < box(parent).left - 1)
                faults.push(`${named(child)} sticks out of ${named(parent)}`);
        children.forEach((one, place) => children.slice(place + 1).forEach((other) => {
            const [a, b] = [box(one), box(other)];
            const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
            const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
            if (across > 1 && down > 1) faults.push(`${named(one)} overlaps ${named(other)}`);
        }));
    }
    return faults.slice(0, 3);
}"""


@pytest.mark.parametrize("name", PAGES)
def test_boxes_keep_their_places(visit, name):
    page = visit(PAGES[name], width=1440)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.wait_for_load_state("networkidle")
    expect(page.locator("[aria-busy]")).to_have_count(0)
    for width in (1440, 768, 360, 320):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(50)
        assert page.evaluate(FAULTS) == [], width
        assert page.evaluate("document.documentElement.scrollWidth") <= width
