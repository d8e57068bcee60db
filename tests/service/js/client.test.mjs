// LangGraph's client for JavaScript drives an agent of thirty turns.
import assert from "node:assert/strict";
import crypto from "node:crypto";
import { test } from "node:test";
import { TURNS, client, gate, said, thread } from "./server.mjs";

const kinds = (messages) => messages.map((message) => message.type);
const whole = ["human", ...Array(TURNS - 1).fill(["ai", "tool"]).flat(), "ai"];

test("a run streams thirty turns with tools", async () => {
  const name = await thread();
  const names = [];
  let values;
  for await (const part of client.runs.stream(name, "book", { input: said, streamMode: ["values", "updates"] })) {
    names.push(part.event);
    if (part.event === "values") values = part.data;
  }
  assert.equal(names[0], "metadata");
  assert.equal(names.filter((one) => one === "updates").length, 2 * TURNS - 1);
  assert.deepEqual(kinds(values.messages), whole);
  assert.equal(values.output, `read ${TURNS - 1} pages`);
  assert.deepEqual((await client.threads.getState(name)).values.messages, values.messages);
});

test("a pause is an interrupt, and a resume goes on to the end", async () => {
  const name = await thread();
  const paused = await client.runs.wait(name, "thrifty", { input: said });
  assert.equal(paused.__interrupt__[0].value.outcome, "paused");
  assert.equal((await client.threads.get(name)).status, "interrupted");
  const command = { resume: { add_budget: { steps: 60 } } };
  const values = await client.runs.wait(name, "thrifty", { command });
  assert.deepEqual(kinds(values.messages), whole);
  assert.equal((await client.threads.get(name)).status, "idle");
});

test("a cancelled run ends in the middle, and the next one is not held up", async () => {
  const open = gate(12);
  const name = await thread();
  const run = await client.runs.create(name, "book", { input: said, streamMode: "custom" });
  for await (const part of client.runs.joinStream(name, run.run_id))
    if (part.data.type === "tool_started" && part.data.args.page === 12) await client.runs.cancel(name, run.run_id, true);
  assert.equal((await client.runs.get(name, run.run_id)).status, "interrupted");
  await open();
  const values = await client.runs.wait(name, "book", { input: { task: "go on, please" } });
  assert.equal(values.output, `read ${TURNS - 1} pages`);
});

test("a stream that was left in the middle goes on after its last event", async () => {
  const open = gate(13);
  const name = await thread();
  const asked = { input: said, streamMode: ["updates"], streamResumable: true };
  const run = await client.runs.create(name, "book", asked);
  const seen = [];
  const away = new AbortController(); // leaving the loop alone would leave the connection open
  for await (const part of client.runs.joinStream(name, run.run_id, { signal: away.signal }))
    if (seen.push(part) > 10) break;
  away.abort();
  await open();
  for await (const part of client.runs.joinStream(name, run.run_id, { lastEventId: seen.at(-1).id })) seen.push(part);
  const again = [];
  for await (const part of client.runs.joinStream(name, run.run_id, { lastEventId: "-1" })) again.push(part);
  assert.deepEqual(seen, again);
  const told = seen.slice(1).flatMap((part) => Object.values(part.data).flatMap((node) => node.messages));
  assert.deepEqual(kinds(told), whole.slice(1));
});

test("assistants, threads and items are found", async () => {
  const [assistant] = await client.assistants.search({ graphId: "book" });
  assert.equal(assistant.name, "book");
  assert.ok((await client.assistants.getGraph(assistant.assistant_id)).nodes.length > 1);
  assert.ok((await client.assistants.getSchemas(assistant.assistant_id)).input_schema.properties.messages);
  const mark = crypto.randomUUID();
  const made = await client.threads.create({ metadata: { mark }, ttl: 60 });
  const found = await client.threads.search({ metadata: { mark }, select: ["thread_id"] });
  assert.deepEqual(found, [{ thread_id: made.thread_id }]);
  await client.store.putItem(["js"], "tea", { likes: "green" });
  assert.deepEqual((await client.store.getItem(["js"], "tea")).value, { likes: "green" });
  assert.equal((await client.store.searchItems(["js"])).items.length, 1);
  await client.store.deleteItem(["js"], "tea");
});

test("a session over a WebSocket starts a run and hears its values", async () => {
  const session = client.threads.stream(await thread(), { assistantId: "steps", transport: "websocket" });
  await session.run.start({ input: { name: "a" } });
  const heard = [];
  for await (const values of session.values) heard.push(values.done);
  assert.deepEqual(heard.at(-1), ["first a", "second a"]);
  assert.deepEqual((await session.output).done, ["first a", "second a"]);
  await session.close();
});

test("a cron is made, found, changed and removed", async () => {
  const name = await thread();
  const { cron_id } = await client.crons.createForThread(name, "steps", { schedule: "0 9 1 1 *", input: {} });
  assert.deepEqual((await client.crons.search({ threadId: name })).map((one) => one.cron_id), [cron_id]);
  assert.equal((await client.crons.update(cron_id, { enabled: false })).enabled, false);
  await client.crons.delete(cron_id);
  assert.equal(await client.crons.count({ threadId: name }), 0);
});
