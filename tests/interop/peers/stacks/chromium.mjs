// Chromium, Debian's, without a window: the peer connection lives in a page, which this drives.
import { existsSync } from 'node:fs';
import fs from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';

const origin = 'http://localhost';
const folder = new URL('..', import.meta.url);

const switches = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--allow-loopback-in-peer-connection',
];

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

export const missing = () => (existsSync(executablePath) ? undefined : `${executablePath} is not there`);

let browser;
let profile;

async function launch() {
  profile = await fs.mkdtemp(path.join(os.tmpdir(), 'isotube-chromium-'));
  return chromium.launchPersistentContext(profile, { executablePath, args: switches });
}

/// The page's scripts come from this folder; its origin is one where a page may compute checksums.
async function serveScripts(route) {
  const file = new URL(route.request().url()).pathname.slice(1);
  if (file === '') return route.fulfill({ contentType: 'text/html', body: '<title>peer</title>' });
  return route.fulfill({ contentType: 'text/javascript', body: await fs.readFile(new URL(file, folder), 'utf8') });
}

export async function start() {
  browser ??= await launch();
  const page = await browser.newPage();
  await page.route(`${origin}/**`, serveScripts);
  await page.goto(`${origin}/`);
  await page.evaluate(async () => {
    globalThis.exam = await import('/exam.mjs');
    globalThis.gathered = (await import('/gathered.mjs')).gathered;
    globalThis.connection = new RTCPeerConnection();
  });
  return {
    maxMessageSize: 262_144,
    offer: () =>
      page.evaluate(async () => {
        connection.createDataChannel('first');
        await connection.setLocalDescription();
        return gathered(connection);
      }),
    answer: (sdp) =>
      page.evaluate(async (offer) => {
        await connection.setRemoteDescription({ type: 'offer', sdp: offer });
        await connection.setLocalDescription();
        return gathered(connection);
      }, sdp),
    accept: (sdp) => page.evaluate((answer) => connection.setRemoteDescription({ type: 'answer', sdp: answer }), sdp),
    serve: (limits) => page.evaluate((settings) => exam.serve(connection, settings), limits),
    examine: (limits) => page.evaluate((settings) => exam.examine(connection, settings), { ...limits, sendsEmpty: true }),
    async close() {
      await page.evaluate(() => connection.close());
      await page.close();
    },
  };
}

export async function end() {
  await browser?.close();
  if (profile) await fs.rm(profile, { recursive: true, force: true });
}
