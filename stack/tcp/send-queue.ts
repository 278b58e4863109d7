export class SendQueue {
  bytes = 0;
}
