/** What the user's thread and the stack's thread say to each other about sockets. Plain data; bytes go through channels, not through here. */
export interface PlainEndpoint {
  readonly address: string;
  readonly port: number;
}

/** `id` is the user's number of the socket that it asks for. */
export type SocketRequest =
  | { readonly op: 'connect'; readonly id: number; readonly to: PlainEndpoint; readonly from?: PlainEndpoint }
  | { readonly op: 'listen'; readonly id: number; readonly at: PlainEndpoint; readonly backlog: number; readonly only6: boolean }
  | { readonly op: 'bind'; readonly id: number; readonly at: PlainEndpoint; readonly only6: boolean }
  /** Ends a listener, or a connect that is no longer wanted. */
  | { readonly op: 'cancel'; readonly id: number };

export type SocketReply =
  /** A connect is done, or a datagram socket is bound. */
  | {
      readonly op: 'opened';
      readonly id: number;
      readonly slot: number;
      readonly memory: SharedArrayBuffer;
      readonly local: PlainEndpoint;
      readonly remote: PlainEndpoint | null;
    }
  | { readonly op: 'failed'; readonly id: number; readonly errno: number; readonly call: string }
  | { readonly op: 'listening'; readonly id: number; readonly local: PlainEndpoint }
  | {
      readonly op: 'accepted';
      readonly id: number;
      readonly slot: number;
      readonly memory: SharedArrayBuffer;
      readonly local: PlainEndpoint;
      readonly remote: PlainEndpoint;
    }
  /** Look at the doorbell. */
  | { readonly op: 'bell' };
