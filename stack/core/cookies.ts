/** SO_COOKIE: a number that no other socket of the stack has or will have, made when somebody asks for it. */
export class SocketCookies {
  private readonly given = new WeakMap<object, number>();
  private last = 0;

  of(socket: object): number {
    const known = this.given.get(socket);
    if (known !== undefined) return known;
    this.given.set(socket, ++this.last);
    return this.last;
  }
}
