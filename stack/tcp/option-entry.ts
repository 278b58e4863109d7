/** The kinds of options of TCP sockets: their settings are a record that is cloned when one of those who share it sets something. */
import { type Option as AnyOption, OptionKinds } from '../socket/option.js';
import type { TcpSettings } from './settings.js';
import type { TcpSocket } from './socket.js';

export type Option = AnyOption<TcpSocket>;
export type OptionRows = readonly (readonly [number, Option])[];

export const kinds: OptionKinds<TcpSocket, TcpSettings> = new OptionKinds(
  (s) => s.settings,
  (s) => s.ownSettings(),
);
export const sysctl = (s: TcpSocket, index: number): number => s.tcp.env.sysctl.values[index]!;
