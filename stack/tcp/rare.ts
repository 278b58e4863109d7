export class Rare {
  urgent = 0;
}
