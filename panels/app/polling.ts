/**
 * Asks again and again while the page can be seen, each time once the last answer is there. In a
 * hidden tab nothing is asked; when it is seen again, it is asked at once.
 *
 * @param ask asks once
 * @param pauseAfter the milliseconds until it is asked again after an answer, null for never
 * @param pauseAfterFailure the same after a question that failed
 */
export class Polling<Answer> {
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** counts the questions, so that an older answer never replaces a newer one */
  private turn = 0;
  private ended = false;
  /** whether it is to be asked when the page is seen again */
  private due = false;

  constructor(
    private readonly ask: () => Promise<Answer>,
    private readonly pauseAfter: (answer: Answer) => number | null,
    private readonly on: { answer: (answer: Answer) => void; problem: (error: Error) => void },
    private readonly pauseAfterFailure: number | null = null,
  ) {
    document.addEventListener("visibilitychange", this.see);
  }

  /** Asks now, whatever was to be asked later. */
  now = async (): Promise<void> => {
    clearTimeout(this.timer);
    this.due = false;
    const turn = ++this.turn;
    let pause = this.pauseAfterFailure;
    try {
      const answer = await this.ask();
      if (this.ended || turn !== this.turn) return;
      this.on.answer(answer);
      pause = this.pauseAfter(answer);
    } catch (error) {
      if (this.ended || turn !== this.turn) return;
      this.on.problem(error as Error);
    }
    if (pause !== null) this.timer = setTimeout(this.again, pause);
  };

  /** Ends it: nothing is asked any more, and what was asked is not answered. */
  end(): void {
    this.ended = true;
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.see);
  }

  private again = () => {
    if (document.visibilityState === "visible") this.now();
    else this.due = true;
  };

  private see = () => {
    if (this.due && document.visibilityState === "visible") this.now();
  };
}
