/** `<easel-image>`: dispatches `load` with the prediction as `detail`, or `error` with what went wrong. */
export declare class EaselImage extends HTMLElement {
  /** Asks anew; what was being asked for is canceled. */
  again(): Promise<void>;
}
