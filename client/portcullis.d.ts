/** Why `getToken` is asked: for a connection, after a token was refused, or before one expires. */
export type TokenOccasion = 'connect' | 'refused' | 'expiring';

/** A token, and the seconds it has left; without them, a JWT's `exp` by this machine's clock. */
export type Token = string | { token: string; expiresIn?: number };

export interface PortcullisOptions {
  /** The application's subprotocols. */
  protocols?: string | string[];
  /** Asked for each connection. Nothing: connect without a token. */
  getToken?: (occasion: {
    reason: TokenOccasion;
    signal: AbortSignal;
  }) => Token | null | undefined | Promise<Token | null | undefined>;
  /**
   * How the gate gets the token: as a subprotocol, or for a one-time ticket. Without `getToken` a
   * ticket is asked for with the page's cookies.
   */
  handover?: 'subprotocol' | 'ticket';
  /** Whether to renew the token of an open connection ahead of its expiry; `true`. */
  refresh?: boolean;
  /** Milliseconds that the first wait is at most; 1000. */
  firstDelay?: number;
  /** Milliseconds that any wait is at most, unless the gate told a longer one; 60000. */
  mostDelay?: number;
  /** Milliseconds that an attempt may take; 20000. */
  connectTimeout?: number;
  /** In place of `Math.random`. */
  random?: () => number;
}

/** The `reason` of a refusal, as the gate's reference has it. */
export type Reason =
  | 'misconfigured'
  | 'no_route'
  | 'replayed_key'
  | 'origin_missing'
  | 'origin_not_allowed'
  | 'token_missing'
  | 'token_invalid'
  | 'token_expired'
  | 'ambiguous_token'
  | 'insufficient_scope'
  | 'rate_limited'
  | 'too_many_sockets'
  | 'banned'
  | 'revoked'
  | 'limiter_unavailable'
  | 'upstream_unreachable'
  | 'upstream_refused'
  | 'upstream_timeout'
  | 'disconnected'
  | 'message_rate'
  | 'message_too_big'
  | 'idle'
  | 'lifetime';

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
  /** What `getToken` or a request threw. */
  readonly error?: unknown;
}

export interface PortcullisEvents {
  /** Each time a connection opens. */
  open: Event;
  message: MessageEvent;
  refused: RefusedEvent;
  close: ClosedEvent;
}

type Listener<T extends Event> =
  ((this: PortcullisSocket, event: T) => unknown) | { handleEvent(event: T): unknown };

export class PortcullisSocket extends EventTarget {
  static readonly CONNECTING: 0;
  static readonly OPEN: 1;
  static readonly CLOSING: 2;
  static readonly CLOSED: 3;

  /** `url` as `WebSocket` takes it; http and https count as ws and wss. */
  constructor(url: string | URL, options?: PortcullisOptions);

  readonly url: string;
  /** `CONNECTING` while waiting for the next attempt, too. */
  readonly readyState: 0 | 1 | 2 | 3;
  /** Of `protocols`, the one that the server chose, or the empty string. */
  readonly protocol: string;
  readonly bufferedAmount: number;
  binaryType: BinaryType;

  /** Throws an `InvalidStateError` unless `readyState` is `OPEN`: nothing is kept for later. */
  send(data: string | ArrayBufferLike | Blob | ArrayBufferView): void;
  /** Ends the connection and all attempts at another. */
  close(code?: number, reason?: string): void;

  addEventListener<K extends keyof PortcullisEvents>(
    type: K,
    listener: Listener<PortcullisEvents[K]> | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener<K extends keyof PortcullisEvents>(
    type: K,
    listener: Listener<PortcullisEvents[K]> | null,
    options?: boolean | EventListenerOptions,
  ): void;
}
