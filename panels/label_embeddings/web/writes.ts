/**
 * What is being written from here. An answer to a question that was asked meanwhile may know of a
 * write or not, so nothing can be counted by it.
 */
export class Writes {
  private begun = 0;
  private going = 0;

  /** Follows a write until it has ended. */
  follow<Done>(write: Promise<Done>): Promise<Done> {
    this.begun++;
    this.going++;
    const end = () => {
      this.going--;
    };
    write.then(end, end);
    return write;
  }

  /** Asks, and says with the answer whether nothing was written between the two. */
  async around<Answer>(ask: () => Promise<Answer>): Promise<{ answer: Answer; quiet: boolean }> {
    const { begun, going } = this;
    const answer = await ask();
    return { answer, quiet: going === 0 && begun === this.begun };
  }
}
