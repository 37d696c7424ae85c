// One WebSocket for everything that is followed. It comes again by itself, follows the same again, and takes up events of accounts
// where they broke off. `docs/live.md` describes the protocol.

import { accessToken, renew, sessionState, subscribeSession, subscribeToken } from "../api/session";
import { tellError } from "../components/notices";
import { Listeners } from "../listeners";

export type MarketChannel = "quotes" | "books" | "trades" | "bars";
export type AccountChannel = "orders" | "fills" | "positions" | "balances" | "risk" | "alerts";

/** `idle`: nothing is followed. `live`: messages come. `connecting`: not yet, or again. `offline`: it has failed for a while. */
export type Link = "idle" | "connecting" | "live" | "offline";

type Data = Record<string, unknown>;

interface Message {
  op?: string;
  /** The one that the request had. */
  id?: string;
  channel?: string;
  symbol?: string;
  resolution?: string;
  account?: string;
  seq?: string;
  from?: string;
  gap?: boolean;
  data?: Data;
  error?: { code: string; message: string };
}

export interface Follower {
  onData: (data: Data, message: Message) => void;
  /** Events may be missing before those that come now, after a break or at the beginning: what is known must be loaded anew. */
  onGap?: () => void;
}

interface Followed {
  channel: MarketChannel | AccountChannel;
  symbol?: string;
  resolution?: string;
  followers: Set<Follower>;
  /** The last event heard, for accounts. */
  seq?: string;
  /** Whether it was asked for from that event on, so that nothing is missing. */
  goesOn?: boolean;
}

const RETRY_MS = [250, 500, 1_000, 2_000, 5_000];
/** A socket that says nothing for so long is given up: the gateway pings every 20 seconds, and so do we. */
const SILENCE_MS = 30_000;
const PING_MS = 10_000;
/** The gateway's close code for a token or a session that has ended. */
const TOKEN_ENDED = 4401;
/** Failures in a row until it counts as offline. */
const OFFLINE_AFTER = 2;

/** The id of the request that says who we are. Others have the key of what they ask for. */
const AUTH = "auth";

const ACCOUNT_CHANNELS = new Set<string>(["orders", "fills", "positions", "balances", "risk", "alerts"]);

/** What is followed, by name; messages of the market have the same parts. */
function keyOf({ channel, symbol = "", resolution = "" }: { channel: string; symbol?: string; resolution?: string }) {
  return `${channel}/${symbol}/${resolution}`;
}

function readMessage(data: unknown): Message | null {
  try {
    const message: unknown = JSON.parse(String(data));
    return typeof message === "object" ? message : null;
  } catch {
    return null;
  }
}

class Socket {
  private socket: WebSocket | null = null;
  private ready = false;
  private failures = 0;
  private heard = 0;
  private link: Link = "idle";
  private retry: ReturnType<typeof setTimeout> | undefined;
  private readonly followed = new Map<string, Followed>();
  private readonly listeners = new Listeners();
  private user: string | null = null;
  private hasWarned = false;
  /** Refusals that were told, by channel and code: each is tried again with every socket. */
  private readonly told = new Set<string>();

  constructor() {
    setInterval(() => this.look(), PING_MS);
    subscribeSession(() => {
      const { status, user } = sessionState();
      // Another person, another socket.
      if (status !== "starting" && user !== this.user) this.again();
    });
    // The gateway closes a socket when its token ends: it is shown the next one before.
    subscribeToken(() => {
      if (this.ready) void this.authenticate();
    });
    globalThis.addEventListener?.("online", () => this.again());
  }

  state(): Link {
    return this.link;
  }

  readonly subscribe = this.listeners.subscribe;

  /** Follows a channel until the function that it returns is called. */
  follow(channel: MarketChannel | AccountChannel, of: { symbol?: string; resolution?: string }, follower: Follower) {
    const key = keyOf({ channel, ...of });
    let one = this.followed.get(key);
    if (!one) {
      one = { channel, ...of, followers: new Set() };
      this.followed.set(key, one);
      this.ask("subscribe", one);
    }
    one.followers.add(follower);
    if (!this.socket) this.connect();
    return () => {
      one.followers.delete(follower);
      if (one.followers.size > 0 || this.followed.get(key) !== one) return;
      this.followed.delete(key);
      this.ask("unsubscribe", one);
    };
  }

  /** Asks again for all that is about accounts: the gateway tells of those that one had when it was asked. */
  takeNewAccounts(): void {
    for (const one of this.followed.values()) {
      if (ACCOUNT_CHANNELS.has(one.channel)) this.ask("subscribe", one);
    }
  }

  private set(link: Link): void {
    if (link === this.link) return;
    this.link = link;
    this.listeners.tell();
  }

  private send(message: unknown): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  private ask(op: "subscribe" | "unsubscribe", one: Followed): void {
    if (!this.ready) return;
    const { channel, symbol, resolution, seq } = one;
    const from = op === "subscribe" && seq ? { from: seq } : {};
    one.goesOn = "from" in from;
    this.send({
      op,
      id: keyOf(one),
      channel,
      ...(symbol ? { symbols: [symbol] } : {}),
      ...(resolution ? { resolution } : {}),
      ...from,
    });
  }

  /** Connects anew at once. */
  private again(): void {
    clearTimeout(this.retry);
    const old = this.socket;
    this.socket = null;
    this.ready = false;
    old?.close();
    if (sessionState().user !== this.user) {
      this.told.clear();
      for (const one of this.followed.values()) delete one.seq;
    }
    if (this.followed.size > 0) this.connect();
    else this.set("idle");
  }

  private connect(): void {
    clearTimeout(this.retry);
    const { protocol, host } = globalThis.location;
    const socket = new WebSocket(`${protocol === "https:" ? "wss" : "ws"}://${host}/api/v1/stream`);
    this.socket = socket;
    if (this.link === "idle") this.set("connecting");
    this.user = sessionState().user;
    this.heard = Date.now();
    socket.onopen = () => void this.authenticate();
    socket.onmessage = ({ data }) => {
      if (this.socket !== socket) return;
      const message = readMessage(data);
      if (message) this.hear(message);
      else this.warn(data);
    };
    socket.onclose = ({ code }) => {
      if (this.socket !== socket) return;
      if (code === TOKEN_ENDED) void this.refused("unauthenticated");
      this.socket = null;
      this.ready = false;
      this.failures += 1;
      this.set(this.failures >= OFFLINE_AFTER ? "offline" : "connecting");
      const wait = RETRY_MS[Math.min(this.failures, RETRY_MS.length) - 1] ?? 5_000;
      this.retry = setTimeout(() => this.connect(), wait * (0.75 + Math.random() / 2));
    };
  }

  private async authenticate(): Promise<void> {
    const socket = this.socket;
    const token = await accessToken().catch(() => null);
    if (socket !== this.socket) return;
    if (token) this.send({ op: "auth", id: AUTH, token });
    else if (sessionState().status === "out") this.begin();
    // Somebody is signed in whose token could not be renewed: without it all that is about accounts would be refused.
    else socket?.close();
  }

  /** The gateway does not take the token: the next one, or nobody is signed in from now on. */
  private async refused(code: string | undefined): Promise<void> {
    const socket = this.socket;
    if (code === "unauthenticated" && sessionState().status === "in") await renew().catch(() => null);
    socket?.close();
  }

  private begin(): void {
    if (this.ready) return;
    this.ready = true;
    this.failures = 0;
    this.set("live");
    const isStranger = sessionState().status !== "in";
    for (const one of this.followed.values()) {
      if (!isStranger || !ACCOUNT_CHANNELS.has(one.channel)) this.ask("subscribe", one);
    }
  }

  private hear(message: Message): void {
    this.heard = Date.now();
    if (message.op === "authenticated") this.begin();
    if (message.op === "error") this.failed(message);
    const { channel } = message;
    if (!channel) return;
    const one = this.followed.get(keyOf({ ...message, channel }));
    if (!one) return;
    if (message.op === "subscribed") {
      if (message.gap || !one.goesOn) for (const follower of one.followers) follower.onGap?.();
      if (message.from && ACCOUNT_CHANNELS.has(channel)) one.seq = message.from;
      return;
    }
    if (message.seq) one.seq = message.seq;
    if (message.data) for (const follower of one.followers) follower.onData(message.data, message);
  }

  /** What is no message is left out. It is logged once, for more of it would come a thousand times a second. */
  private warn(data: unknown): void {
    if (!this.hasWarned) console.warn("The gateway told something that is no message; more of it is not logged.", data);
    this.hasWarned = true;
  }

  private failed({ id, error }: Message): void {
    // At the end of the socket it is tried again, later each time. Nothing but `auth` is asked before it is answered.
    if (id === AUTH || !this.ready) return void this.refused(error?.code);
    const one = id && this.followed.get(id);
    // Strangers hear nothing of a market that is not open to them; the pages ask them to sign in.
    if (!one || !error || (error.code === "unauthenticated" && sessionState().status === "out")) return;
    const which = `${one.channel} ${error.code}`;
    if (this.told.has(which)) return;
    this.told.add(which);
    tellError(`The gateway does not tell ${one.channel}${one.symbol ? ` of ${one.symbol}` : ""}: ${error.message}`);
  }

  private look(): void {
    if (!this.socket) return;
    if (Date.now() - this.heard > SILENCE_MS) this.again();
    else this.send({ op: "ping" });
  }
}

export const socket = new Socket();
