// React's useStream, in a page of jsdom, drives an agent of thirty turns.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { JSDOM } from "jsdom";
import { TURNS, apiUrl, client, gate, said, thread } from "./server.mjs";

const page = new JSDOM("<div id='root'></div>", { url: "http://localhost/", pretendToBeVisual: true });
globalThis.window = page.window;
globalThis.document = page.window.document;
if (!globalThis.navigator) globalThis.navigator = page.window.navigator; // Node has its own from version 21 on
after(() => page.window.close());

const { createElement, useEffect } = await import("react");
const { createRoot } = await import("react-dom/client");
const { useStream } = await import("@langchain/langgraph-sdk/react");

// A page with the hook: `now` is what it returned last, `when` waits until that fulfils a wish.
function mount(options) {
  const root = createRoot(document.getElementById("root").appendChild(document.createElement("div")));
  const wishes = new Set();
  const shown = {
    now: undefined,
    when: (fulfilled) =>
      new Promise((resolve) => {
        wishes.add({ fulfilled, resolve });
        look();
      }),
    unmount: () => root.unmount(),
  };
  function look() {
    for (const wish of wishes)
      if (shown.now && wish.fulfilled(shown.now)) {
        wishes.delete(wish);
        wish.resolve(shown.now);
      }
  }
  function Page() {
    const stream = useStream({ apiUrl, messagesKey: "messages", ...options });
    useEffect(() => {
      shown.now = stream;
      look();
    });
    return createElement("ol", null, stream.messages.map((one) => createElement("li", { key: one.id }, String(one.type))));
  }
  root.render(createElement(Page));
  return shown;
}

const kinds = (stream) => stream.messages.map((message) => message.type);
const whole = ["human", ...Array(TURNS - 1).fill(["ai", "tool"]).flat(), "ai"];
const done = (stream) => !stream.isLoading && stream.values.output === `read ${TURNS - 1} pages`;

test("a page shows thirty turns with tools as they come", async () => {
  const lengths = new Set();
  let name;
  const shown = mount({ assistantId: "book", onThreadId: (made) => (name = made) });
  await shown.when((stream) => !stream.isThreadLoading);
  shown.now.submit(said);
  const end = await shown.when((stream) => lengths.add(stream.messages.length) && done(stream));
  assert.deepEqual(kinds(end), whole);
  assert.ok(lengths.size > TURNS / 2, `seen at ${lengths.size} lengths only`);
  assert.equal(end.toolCalls.length, TURNS - 1);
  assert.ok(end.toolCalls.every((call) => call.result));
  assert.equal(document.querySelectorAll("li").length, whole.length);
  assert.equal((await client.threads.get(name)).status, "idle");
  shown.unmount();
});

test("a pause is shown as an interrupt, and a resume goes on to the end", async () => {
  const shown = mount({ assistantId: "thrifty" });
  await shown.when((stream) => !stream.isThreadLoading);
  shown.now.submit(said);
  const paused = await shown.when((stream) => !stream.isLoading && stream.interrupt);
  assert.equal(paused.interrupt.value.outcome, "paused");
  paused.submit(undefined, { command: { resume: { add_budget: { steps: 60 } } } });
  const end = await shown.when(done);
  assert.deepEqual(kinds(end), whole);
  assert.equal(end.interrupt, undefined);
  shown.unmount();
});

test("stop cancels the run", async () => {
  const open = gate(14);
  const name = await thread();
  const shown = mount({ assistantId: "book", threadId: name });
  await shown.when((stream) => !stream.isThreadLoading);
  shown.now.submit(said);
  await shown.when((stream) => stream.messages.length > 20);
  await shown.now.stop();
  await shown.when((stream) => !stream.isLoading);
  const [run] = await client.runs.list(name);
  await client.runs.join(name, run.run_id);
  assert.equal((await client.runs.get(name, run.run_id)).status, "interrupted");
  await open();
  shown.unmount();
});

test("a page that is loaded again in the middle of a run reads on to its end", async () => {
  const open = gate(15);
  const name = await thread();
  const options = { assistantId: "book", threadId: name, reconnectOnMount: true };
  const first = mount(options);
  await first.when((stream) => !stream.isThreadLoading);
  first.now.submit(said, { streamResumable: true, onDisconnect: "continue" });
  await first.when((stream) => stream.messages.length > 20);
  first.unmount();
  const second = mount(options);
  await second.when((stream) => stream.isLoading && stream.messages.length > 20);
  await open();
  const end = await second.when(done);
  assert.deepEqual(kinds(end), whole);
  assert.equal((await client.runs.list(name)).length, 1);
  second.unmount();
});
