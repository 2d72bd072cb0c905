// The page: what the event stream says, as text. Nothing from the stream ever becomes markup.
"use strict";

const $ = (id) => document.getElementById(id);
const groups = new Map();
const histories = new Map();
let sinks = [];
let shown = null;
let source = null;
let lostSince = null;
let heard = Date.now();

// An element with a class, an optional text, and children.
function el(tag, cls, ...children) {
  const node = document.createElement(tag);
  if (cls) node.className = cls;
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}
const put = (id, ...children) => $(id).replaceChildren(...children);
const clock = (at) => new Date(at).toLocaleTimeString([], { hour12: false });
const day = (at) => new Date(at).toLocaleString([], { dateStyle: "medium", timeStyle: "medium", hour12: false });
const address = (at) => (at.host.includes(":") ? `[${at.host}]:${at.port}` : `${at.host}:${at.port}`);

function ago(at) {
  const s = Math.max(0, Math.round((Date.now() - at) / 1000));
  if (s < 60) return `${s} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ago`;
  return `${Math.floor(s / 86400)} d ago`;
}
function when(at) {
  const time = el("time", "", day(at));
  time.dateTime = new Date(at).toISOString();
  const since = el("span", "", ago(at));
  since.dataset.at = at;
  return el("span", "", time, ", ", since);
}
function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let n = 0;
  while (bytes >= 1024 && n < units.length - 1) { bytes /= 1024; n += 1; }
  return `${Math.round(bytes)} ${units[n]}`;
}
const CAUSES = {
  "first-start": "nobody was master before",
  "take-over": "the recorded master was gone",
  "promoted-member": "it had the best data when the master came back",
  failover: "the Sentinels moved the role",
  died: "the master before died",
  refused: "the master before listened no more",
  "lease-over": "the master before could not be reached",
  handover: "the master before handed over",
  repair: "the record was put right",
};
const cause = (word) => CAUSES[word] || word.replaceAll("-", " ");
const dot = (cls, text) => el("span", `dot ${cls}`, text);
const note = (text, odd) => el("span", odd ? "note odd" : "note", text);
const nothing = (text) => el("p", "quiet", text);

// ---- the parts of a group

function showMaster(group) {
  const master = group.master;
  const lines = [];
  if (master) {
    lines.push(el("span", "addr", address(master)));
    lines.push(el("p", "", master.epoch === undefined ? "Master" : `Master as of epoch ${master.epoch}: ${cause(master.cause)}`));
  } else if (group.other_group) {
    lines.push(el("p", "addr", "not ours"), el("p", "", `The tree belongs to the group ${group.other_group}.`));
  } else {
    lines.push(el("p", "addr", group.zookeeper.read ? "no master" : "not read yet"),
      el("p", "", group.zookeeper.read ? "No master is recorded." : without(group) ? "No Sentinel has answered yet." : "ZooKeeper has not been read yet."));
  }
  if (master && master.next) {
    const next = master.next;
    lines.push(el("p", "next", `${address(next)} is about to be master (${next.phase}, epoch ${next.epoch}). Do not write to it yet.`));
  }
  put("master", ...lines);
  if (master && master.since) put("since", "Since ", when(Date.parse(master.since)));
  else put("since");
  document.title = master ? `${address(master)} · ${group.group}` : `redis-zk · ${group.group}`;
}

function showRedis(group) {
  const rows = group.members.map((member) => {
    const master = member.role === "master";
    const former = master && group.master && member.addr !== address(group.master);
    const up = master ? !former : member.link === "up";
    const lag = member.lag_bytes;
    let state = former ? "no master any more" : "master";
    if (!master) {
      state = up ? (lag ? `replica, ${size(lag)} behind` : "replica, in step") : "replica, link down";
      if (up && lag === undefined) state = "replica";
    }
    const notes = [];
    if (member.fenced) notes.push(note(`Takes no writes: ${member.fenced}`, true));
    if (former) notes.push(note("It was registered as master, and another one is. Its registration ends with its session."));
    if (!master && !up && member.of) notes.push(note(`It should follow ${member.of}.`, true));
    if (!master && member.priority === 0) notes.push(note("Never to be master (priority 0)."));
    return el("div", "row", el("span", "mono", member.addr),
      dot(former ? "idle" : member.fenced || !up ? "bad" : lag ? "" : "good", state), ...notes);
  });
  for (const node of group.watcher.nodes) {
    if (node.reason) rows.push(el("div", "row", el("span", "mono", node.addr), dot("bad", node.answer), note(node.reason, true)));
  }
  put("redis", ...(rows.length ? rows : [nothing(without(group) ? "No Sentinel knows a replica." : "No Redis is registered.")]));
}

const SAYS = {
  silent: "It did not answer.",
  "not-monitoring": "It knows no master of this name.",
  waiting: "Its answer is awaited.",
};
function showSentinels(group) {
  const rows = group.sentinels.map((sentinel) => {
    const said = sentinel.last_report;
    const agrees = said && said.master && group.master && said.master === address(group.master);
    let words = "It was not asked yet.";
    let odd = false;
    if (said) {
      odd = said.answer !== "waiting" && !agrees;
      words = said.master ? `Names ${said.master}, epoch ${said.epoch}.` : said.reason || SAYS[said.answer] || said.answer;
    }
    return el("div", "row", el("span", "mono", address(sentinel)),
      dot(sentinel.subscribed ? "good" : "bad", sentinel.subscribed ? "heard" : "not heard"), note(words, odd));
  });
  put("sentinels", ...(rows.length ? rows : [nothing(without(group) ? "No Sentinel is known." : "No Sentinel is registered.")]));
}

// Where there is no ZooKeeper, the record is in the watcher's memory.
const without = (group) => group.zookeeper.session === "none";
const SESSIONS = { up: "up", connecting: "connecting", suspect: "in doubt: no answer from ZooKeeper", closed: "closed" };
function showZooKeeper(group) {
  const zk = group.zookeeper;
  $("h-zookeeper").textContent = without(group) ? "This watcher" : "ZooKeeper and this watcher";
  if (without(group)) {
    put("zookeeper", el("dt", "", "Record"), el("dd", "", "in its memory, without ZooKeeper"));
    return;
  }
  const copy = zk.stale_since ? el("span", "bad", "old since ", clock(Date.parse(zk.stale_since)))
    : zk.read ? "current" : "never read";
  put("zookeeper",
    el("dt", "", "Session"), el("dd", "", dot(zk.session === "up" ? "good" : "bad", SESSIONS[zk.session] || zk.session)),
    el("dt", "", "What is shown"), el("dd", "", copy),
    el("dt", "", "This watcher"), el("dd", "", group.watcher.part === "leader" ? "leads" : "stands by"));
}

const WELL = new Set(["up-to-date", "settle", "higher-epoch"]);
function showWhy(group) {
  const why = $("why");
  why.textContent = group.watcher.explanation || group.watcher.last_outcome;
  why.className = WELL.has(group.watcher.last_outcome) ? "why quiet" : "why odd";
}

const STEPS = {
  idle: ["idle", "nothing to tell yet"],
  standby: ["idle", "told by the watcher that leads"],
  "in-step": ["good", "in step"],
  behind: ["bad", "behind"],
};
function showSinks() {
  const group = groups.get(shown);
  const told = group && without(group) ? "None is configured." : "None is configured. ZooKeeper is always told.";
  const rows = sinks.map((sink) => {
    const [cls, words] = STEPS[sink.step] || ["", sink.step];
    const notes = [];
    if (sink.reason) notes.push(note(`${sink.reason} (since ${clock(Date.parse(sink.since))})`, true));
    if (sink.remark) notes.push(note(sink.remark));
    const epoch = shown && sink.confirmed[shown];
    const facts = [];
    if (epoch !== undefined && epoch !== null) facts.push(`has epoch ${epoch}`);
    if (sink.last_took_ms !== undefined) facts.push(`last move took ${sink.last_took_ms} ms`);
    if (facts.length) notes.push(note(facts.join(", ")));
    return el("div", "row", el("span", "mono", sink.name), dot(cls, words), ...notes);
  });
  put("sinks", ...(rows.length ? rows : [nothing(told)]));
}

function entry(failover, longest) {
  const total = failover.timings.published_ms;
  const end = Math.max(total, failover.timings.announced_ms);
  const bar = el("div", "bar");
  bar.setAttribute("role", "img");
  bar.setAttribute("aria-label", failover.phases.map((phase) => `${phase.phase} ${phase.took_ms} ms`).join(", "));
  bar.style.width = `${longest ? Math.max(4, (100 * end) / longest) : 100}%`;
  const phases = el("ul", "phases");
  phases.setAttribute("aria-hidden", "true");
  // Sentinels and clients are told at the same time: who is done first comes first.
  const ends = failover.phases.map((phase) => [phase.phase, failover.timings[`${phase.phase}_ms`]]).sort((a, b) => a[1] - b[1]);
  let before = 0;
  for (const [phase, until] of ends) {
    const part = el("span");
    part.dataset.phase = phase;
    part.style.flexGrow = until - before;
    if (until > before) bar.append(part);
    before = until;
  }
  for (const phase of failover.phases) {
    const item = el("li", "", `${phase.phase} ${phase.took_ms} ms`);
    item.dataset.phase = phase.phase;
    phases.append(item);
  }
  const seen = failover.candidates.map((node) =>
    `${node.addr}: ${node.verdict}${node.offset === undefined ? "" : `, offset ${node.offset}`}`);
  const more = el("details", "", el("summary", "", "Why, and who was looked at"),
    el("p", "", `${failover.warrant}. Moved by ${failover.by}, with ${failover.votes[0]} of ${failover.votes[1]} votes.`),
    ...seen.map((text) => el("p", "mono", text)));
  return el("li", "",
    el("div", "what", el("span", "quiet", day(failover.at_ms)), el("span", "", `epoch ${failover.epoch}: ${cause(failover.cause)}`),
      el("span", "total", `${total} ms`)),
    el("div", "mono", failover.from ? `${failover.from} → ${failover.to}` : failover.to), bar, phases, more);
}

function showHistory(fresh) {
  const all = [...(histories.get(shown) || new Map()).values()].sort((a, b) => (a.sequence < b.sequence ? 1 : -1)).slice(0, 100);
  const longest = Math.max(0, ...all.map(({ timings }) => Math.max(timings.published_ms, timings.announced_ms)));
  const open = new Set([...document.querySelectorAll("#history details[open]")].map((node) => node.dataset.sequence));
  const items = all.map((failover) => {
    const item = entry(failover, longest);
    const details = item.querySelector("details");
    details.dataset.sequence = failover.sequence;
    details.open = open.has(failover.sequence);
    if (failover.sequence === fresh) item.classList.add("fresh");
    return item;
  });
  put("history", ...(items.length ? items : [el("li", "none", "None is recorded.")]));
}

// Until it has been read: a watcher that has just started answers 503.
let retry = null;
async function fetchHistory(name) {
  try {
    const answer = await fetch(`v1/history?group=${encodeURIComponent(name)}`);
    if (answer.status === 503 && name === shown) {
      clearTimeout(retry);
      retry = setTimeout(() => { if (name === shown) fetchHistory(name); }, 1000);
    }
    if (!answer.ok) return;
    const known = histories.get(name) || new Map();
    for (const failover of (await answer.json()).history) known.set(failover.sequence, failover);
    histories.set(name, known);
    if (name === shown) showHistory();
  } catch { /* the stream says so, too */ }
}

function health(group) {
  if (!group.master || group.watcher.last_outcome === "conflict" || group.watcher.last_outcome === "other-group") return "bad";
  return WELL.has(group.watcher.last_outcome) && (group.zookeeper.session === "up" || without(group)) && !group.master.next ? "good" : "";
}
// Many groups may change at once: the list is made once for all of them.
let naming = false;
function soonShowNames() {
  if (naming) return;
  naming = true;
  requestAnimationFrame(() => { naming = false; showNames(); });
}
const HEALTH = { good: "well", bad: "without a master", "": "look at it" };
function showNames() {
  $("groups").hidden = groups.size < 2;
  if (groups.size < 2) return;
  $("filter").hidden = groups.size < 10;
  const wanted = $("filter").value.toLowerCase();
  const focused = document.activeElement && document.activeElement.dataset.name;
  put("names", ...[...groups.values()].filter((group) => group.group.toLowerCase().includes(wanted)).map((group) => {
    const state = health(group);
    const link = el("a", `dot ${state}`, group.group);
    link.href = `#${encodeURIComponent(group.group)}`;
    link.dataset.name = group.group;
    link.title = HEALTH[state];
    if (group.group === shown) link.setAttribute("aria-current", "true");
    return el("li", "", link);
  }));
  if (focused) [...document.querySelectorAll("#names a")].find((link) => link.dataset.name === focused)?.focus();
}

function showAll() {
  let asked = "";
  try { asked = decodeURIComponent(location.hash.slice(1)); } catch { /* no name */ }
  shown = groups.has(asked) ? asked : groups.has(shown) ? shown : groups.keys().next().value ?? null;
  showNames();
  showSinks();
  const group = groups.get(shown);
  if (!group) return;
  $("name").textContent = group.group;
  for (const part of [showMaster, showRedis, showSentinels, showZooKeeper, showWhy]) part(group);
  showHistory();
}

// ---- the stream

function lost() {
  lostSince = lostSince || Date.now();
  $("stream").dataset.state = "lost";
  $("stream").textContent = `stream lost since ${clock(lostSince)}; what is shown may be old`;
  document.body.classList.add("stale");
}
function live() {
  heard = Date.now();
  if ($("stream").dataset.state === "live") return;
  lostSince = null;
  $("stream").dataset.state = "live";
  $("stream").textContent = "live";
  document.body.classList.remove("stale");
}
const AFTER = {
  master: (group) => { showMaster(group); showRedis(group); showSentinels(group); },
  replicas: showRedis,
  sentinels: showSentinels,
  zookeeper: (group) => { showZooKeeper(group); showMaster(group); if (group.zookeeper.read) fetchHistory(group.group); },
  leader: (group) => { showWhy(group); showZooKeeper(group); showRedis(group); },
};

function open() {
  if (source) source.close();
  source = new EventSource("v1/events");
  const on = (name, then) => source.addEventListener(name, (event) => { live(); then(JSON.parse(event.data)); });
  source.onopen = live;
  source.onerror = () => {
    lost();
    // Refused for good, by a full house or for want of a token: the browser does not try again by itself.
    if (source.readyState === EventSource.CLOSED) setTimeout(again, 2000);
  };
  on("snapshot", (all) => {
    groups.clear();
    for (const group of all.groups) groups.set(group.group, group);
    sinks = all.sinks;
    $("version").textContent = `watcher ${all.version}`;
    showAll();
    if (shown) fetchHistory(shown);
  });
  for (const name of Object.keys(AFTER)) {
    on(name, (change) => {
      const group = groups.get(change.group);
      if (!group) return;
      if (name === "master") group.other_group = undefined;
      Object.assign(group, change);
      if (change.group === shown) AFTER[name](group);
      soonShowNames();
    });
  }
  on("alive", () => {});
  on("sink", ({ sink }) => {
    const at = sinks.findIndex((known) => known.name === sink.name);
    if (at < 0) sinks.push(sink); else sinks[at] = sink;
    showSinks();
  });
  on("history", ({ group, entry: failover }) => {
    const known = histories.get(group) || new Map();
    known.set(failover.sequence, failover);
    histories.set(group, known);
    if (group === shown) showHistory(failover.sequence);
  });
}

async function again() {
  try {
    const answer = await fetch("v1/groups", { signal: AbortSignal.timeout(5000) });
    if (answer.status === 401) { location.href = "ui/login"; return; }
  } catch { /* still away */ }
  open();
}

// A host that vanished ends no stream, and neither does a proxy that has forgotten it. Something comes every 15 s, or it is lost.
function watchdog() {
  if (Date.now() - heard < 20000 || !source || source.readyState !== EventSource.OPEN) return;
  heard = Date.now();
  lost();
  open();
}

// ---- light and dark

const THEMES = ["auto", "light", "dark"];
function theme(name) {
  document.documentElement.dataset.theme = name;
  $("theme").textContent = `Theme: ${name}`;
  try { localStorage.setItem("theme", name); } catch { /* not kept, then */ }
}
let chosen = "auto";
try { chosen = localStorage.getItem("theme") || "auto"; } catch { /* none kept */ }
theme(THEMES.includes(chosen) ? chosen : "auto");
$("theme").addEventListener("click", () => {
  const now = document.documentElement.dataset.theme;
  theme(THEMES[(THEMES.indexOf(now) + 1) % THEMES.length]);
});

$("filter").addEventListener("input", showNames);
window.addEventListener("hashchange", () => {
  if (location.hash === "#group") return;
  showAll();
  if (shown) fetchHistory(shown);
});
setInterval(() => {
  for (const node of document.querySelectorAll("[data-at]")) node.textContent = ago(Number(node.dataset.at));
}, 1000);
setInterval(watchdog, 5000);
open();
