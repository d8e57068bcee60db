// What both tests need of the server: where it is, a thread, and gates that hold the agent in the middle of a run.
import { execFileSync } from "node:child_process";
import { open, unlink } from "node:fs/promises";
import { join } from "node:path";
import { Client } from "@langchain/langgraph-sdk";

export const TURNS = 30;
export const apiUrl = process.env.SERVED_AT;
export const client = new Client({ apiUrl });
export const said = { messages: [{ type: "human", content: "read the book" }] };

// A named pipe: whoever comes to this page waits until it is opened. Opened for both, it opens without anybody there.
export function gate(page) {
  const path = join(process.env.SERVED_IN, `page${page}`);
  execFileSync("mkfifo", [path]);
  return async () => {
    const pipe = await open(path, "r+");
    await pipe.write("go");
    await unlink(path);
    await pipe.close();
  };
}

export async function thread() {
  return (await client.threads.create()).thread_id;
}
