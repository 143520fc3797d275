import type { Reason } from './reasons.js';

export type { Reason };

/** Why `getToken` is asked: for a connection, after a token was refused, or before one expires. */
export type TokenOccasion = 'connect' | 'refused' | 'expiring';

/** A token, and the seconds it has left; without them, a JWT's `exp` by this machine's clock. */
export type Token = string | { token: string; expiresIn?: number };

export interface PortcullisOptions {
  /** The application's subprotocols. */
  protocols?: string | readonly string[];
  /** Asked for each connection, and never before. Nothing: connect without a token. */
  getToken?: (occasion: {
    reason: TokenOccasion;
    /** Attempts in a row that came to nothing. */
    failures: number;
    /** Fires when the token is not needed any more. */
    signal: AbortSignal;
  }) => Token | null | undefined | PromiseLike<Token | null | undefined>;
  /**
   * How the gate gets the token: as a subprotocol, or for a one-time ticket. Without `getToken` a
   * ticket is asked for with the page's cookies.
   */
  handover?: 'subprotocol' | 'ticket';
  /**
   * Whether to connect again after an end; `true`. `false` is for libraries that do so themselves.
   */
  reconnect?: boolean;
  /** Whether to renew the token of an open connection ahead of its expiry; `true`. */
  refresh?: boolean;
  /** Milliseconds that the first wait is at most; 1000. */
  firstDelay?: number;
  /** Milliseconds that any wait is at most, unless the gate told a longer one; 60000. */
  mostDelay?: number;
  /** Milliseconds that an attempt at a connection or at a renewal may take; 20000. */
  connectTimeout?: number;
  /** Further close codes after which another attempt follows, such as a server’s own. */
  retryCodes?: Iterable<number>;
  /** In place of `Math.random`. */
  random?: () => number;
}

/** An attempt or a connection failed. A `close` follows. */
export interface FailedEvent extends Event {
  readonly type: 'error';
  readonly message: string;
  /** What `getToken` or a request threw, or a `DOMException` where nothing tells more. */
  readonly error: unknown;
}

/** The gate refused or ended the connection and said why. A `close` follows. */
export interface RefusedEvent extends Event {
  readonly type: 'refused';
  readonly code: number;
  /** Other texts, the empty one among them, where an endpoint refused for a reason of its own. */
  readonly reason: Reason | (string & {});
  /** What becomes of it: another attempt, one with a new token, or none. */
  readonly action: 'retry' | 'authenticate' | 'give up';
  /** The HTTP status and the request's id, where an endpoint refused. */
  readonly status?: number;
  readonly requestId?: string;
}

/** A connection, or an attempt at one, has ended. */
export interface ClosedEvent extends Event {
  readonly type: 'close';
  readonly code: number;
  readonly reason: string;
  readonly wasClean: boolean;
  /** Milliseconds until the next attempt; null: there is none. */
  readonly retryIn: number | null;
  /** As of the `error` before it, if there was one. */
  readonly error?: unknown;
}

export interface PortcullisEvents {
  /** Each time a connection opens. Not for one that the gate refuses. */
  open: Event;
  message: MessageEvent;
  error: FailedEvent;
  refused: RefusedEvent;
  close: ClosedEvent;
}

type Handler<T extends Event> = (this: PortcullisSocket, event: T) => unknown;
type Listener<T extends Event> = Handler<T> | { handleEvent(event: T): unknown };

export class PortcullisSocket extends EventTarget {
  static readonly CONNECTING: 0;
  static readonly OPEN: 1;
  static readonly CLOSING: 2;
  static readonly CLOSED: 3;

  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSING: 2;
  readonly CLOSED: 3;

  /** `url` as `WebSocket` takes it; http and https count as ws and wss. */
  constructor(url: string | URL, options?: PortcullisOptions | string | readonly string[]);

  /**
   * A class for libraries that make WebSockets and connect again by themselves: it has these options,
   * and `reconnect: false`.
   */
  static with(
    options?: PortcullisOptions,
  ): new (url: string | URL, protocols?: string | string[]) => PortcullisSocket;

  readonly url: string;
  /** `CONNECTING` while waiting for the next attempt, too. */
  readonly readyState: 0 | 1 | 2 | 3;
  /** Of `protocols`, the one that the server chose, or the empty string. */
  readonly protocol: string;
  readonly extensions: string;
  readonly bufferedAmount: number;
  binaryType: BinaryType;

  onopen: Handler<Event> | null;
  onmessage: Handler<MessageEvent> | null;
  onerror: Handler<FailedEvent> | null;
  onrefused: Handler<RefusedEvent> | null;
  onclose: Handler<ClosedEvent> | null;

  /** Throws an `InvalidStateError` unless `readyState` is `OPEN`: nothing is kept for later. */
  send(data: string | ArrayBufferLike | Blob | ArrayBufferView): void;
  /** Ends the connection and all attempts at another. */
  close(code?: number, reason?: string): void;
  /**
   * Another connection now, in place of the present one or of the wait for one, or after it gave up.
   */
  reconnect(): void;

  addEventListener<K extends keyof PortcullisEvents>(
    type: K,
    listener: Listener<PortcullisEvents[K]> | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<K extends keyof PortcullisEvents>(
    type: K,
    listener: Listener<PortcullisEvents[K]> | null,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}
