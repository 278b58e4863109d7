export class LossState {
  caState = 0;
}
