// The page's main paths in Firefox, over WebDriver BiDi: `node firefox.mjs FIREFOX ORIGIN`, with puppeteer-core under the
// folder PUPPETEER. Tells as JSON what each path showed, and what the console complained of.

import { createRequire } from "node:module";

const [executablePath, origin] = process.argv.slice(2);
const puppeteer = createRequire(`${process.env.PUPPETEER}/`)("puppeteer-core");
const WAIT = { timeout: 40_000 };

const PATHS = {
  models: async (page) => {
    await page.waitForSelector(".card .cover", WAIT);
    return page.$$eval(".card h2", (all) => all.map((one) => one.textContent));
  },
  "make/toy-cgan/conditional?label=3&n=2&seed=1": async (page) => {
    await page.waitForFunction(() => [...document.querySelectorAll(".tile img")].filter((one) => one.naturalWidth).length === 2, WAIT);
    await press(page, "Copy as code");
    return page.$eval("[role=tabpanel]", (one) => one.textContent);
  },
  "translate/toy-cyclegan": async (page) => {
    await page.waitForFunction(() => document.querySelector("img[alt='After: right']")?.naturalWidth > 0, WAIT);
    return page.$$eval(".cycle img", (all) => all.length);
  },
  "make/toy-gated-conv/inpaint": async (page) => {
    const canvas = await page.waitForSelector("mask-input canvas[width='32']", WAIT);
    await press(page, "Clear");
    const { x, y, width, height } = await canvas.boundingBox();
    await page.mouse.move(x + width * 0.3, y + height * 0.5);
    await page.mouse.down();
    await page.mouse.move(x + width * 0.7, y + height * 0.5, { steps: 4 });
    await page.mouse.up();
    await press(page, "Fill in");
    await page.waitForFunction(() => document.querySelector(".tile img")?.naturalWidth > 0, WAIT);
    return page.$eval("mask-input", (one) => one.pictures.length);
  },
  "explore/toy-dcgan?seed=4": async (page) => {
    await page.waitForSelector(".shown img", WAIT);
    await page.focus("latent-plane .knob");
    await page.keyboard.press("ArrowLeft");
    return page.$eval("latent-plane .knob", (one) => one.getAttribute("aria-valuetext"));
  },
};

async function press(page, name) {
  await page.waitForFunction((wanted) => [...document.querySelectorAll("button")].some((one) => one.textContent === wanted), WAIT, name);
  await page.evaluate((wanted) => [...document.querySelectorAll("button")].find((one) => one.textContent === wanted).click(), name);
}

const browser = await puppeteer.launch({ browser: "firefox", executablePath, headless: true, timeout: 90_000 });
const shown = {};
const wrong = [];
try {
  for (const [path, walk] of Object.entries(PATHS)) {
    const page = await browser.newPage();
    await page.setViewport({ width: 1280, height: 900 });
    page.on("console", (told) => told.type() === "error" && wrong.push(`${path}: ${told.text()}`));
    page.on("pageerror", (error) => wrong.push(`${path}: ${error.message}`));
    await page.goto(`${origin}/#/${path}`);
    shown[path.split("?")[0]] = await walk(page);
    await page.close();
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify({ shown, wrong }));
