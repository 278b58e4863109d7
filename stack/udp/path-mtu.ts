/** IP_MTU_DISCOVER and IPV6_MTU_DISCOVER. */
export const PathMtu = Object.freeze({ DONT: 0, WANT: 1, DO: 2, PROBE: 3, INTERFACE: 4, OMIT: 5 });
