/** What the thread's loop knows of a socket that another thread uses. */
export interface Bridge {
  readonly slot: number;
  /** Already in the list of those to look at. */
  queued: boolean;
  /** Moves what can be moved between socket and channel. */
  service(): void;
  /** Ends the socket. */
  close(): void;
}

export interface BridgeOwner {
  /** Something happened to the socket: service it in this turn of the loop. */
  queue(bridge: Bridge): void;
  /** The user has something to look at. */
  tellUser(slot: number): void;
  /** The socket is closed: its slot is free. */
  remove(bridge: Bridge): void;
}
