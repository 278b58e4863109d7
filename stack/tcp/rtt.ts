export class RttEstimator {
  srttUs = 0;
}
