/** Where something begins and ends. */
export type Range = [number, number];
