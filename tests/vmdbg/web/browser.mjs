// Chromium for the tests: a line of JSON on stdin is a call of a page, a line on stdout its result.
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";

const [library, executablePath] = process.argv.slice(2);
const { chromium } = await import(library);
const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const browser = await chromium.launch({ executablePath, args });
const pages = new Map();
const said = [];

async function open({ name, url, width = 1280, height = 720 }) {
  const page = await browser.newPage({ viewport: { width, height }, colorScheme: "dark" });
  page.setDefaultTimeout(30000);
  page.on("console", (message) => message.type() === "error" && said.push(message.text()));
  page.on("pageerror", (error) => said.push(error.message));
  const own = ["", "blob:"].map((kind) => kind + new URL(url).origin);
  page.on("request", (request) => [...own, "data:"].some((one) => request.url().startsWith(one)) || said.push(`asked elsewhere: ${request.url()}`));
  pages.set(name, page);
  const answer = await page.goto(url);
  return answer.status();
}

// The page's policy has no eval(), which Playwright's own waiting needs.
async function until(page, expression) {
  const deadline = Date.now() + 30000;
  while (!(await page.evaluate(expression))) {
    if (Date.now() > deadline) throw new Error(`not within 30 s: ${(await page.evaluate("document.body.innerText")).slice(0, 400)}`);
    await page.waitForTimeout(30);
  }
}

async function download(page, selector) {
  const [file] = await Promise.all([page.waitForEvent("download"), page.click(selector)]);
  return { name: file.suggestedFilename(), text: await readFile(await file.path(), "utf8") };
}

async function call({ name, method, parts }) {
  const page = pages.get(name);
  if (method === "evaluate") return page.evaluate(parts[0]);
  if (method === "until") return until(page, parts[0]);
  if (method === "download") return download(page, parts[0]);
  if (method === "close") return pages.delete(name) && page.close();
  if (method === "press") return page.keyboard.press(parts[0]);
  if (method === "type") return page.keyboard.type(parts[0]);
  if (method === "mouse") return page.mouse[parts[0]](...parts.slice(1));
  if (method === "frame") return page.frames().find((frame) => frame.url().includes(parts[0]))?.evaluate(parts[1]);
  return void (await page[method](...parts));
}

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  let answer;
  try {
    answer = { result: (await (request.method === "open" ? open(request.parts[0]) : call(request))) ?? null };
  } catch (error) {
    answer = { error: error.message };
  }
  answer.said = said.splice(0);
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await browser.close();
