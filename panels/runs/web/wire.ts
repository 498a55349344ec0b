// Calls of the Python half. Nothing else in the panel knows how messages travel.
import type { CallPython } from "../../app/panel";
import type { Details, Listing, Methods, OperationState } from "./messages";

export type { Details, Listing, Methods, Operation, OperationState } from "./messages";
export { CONTRACT, OPERATION_STATES } from "./messages";

export type Action = "cancel" | "mark_failed" | "rerun" | "delete";

/** The calls that the panel makes. */
export class Wire {
  constructor(private readonly call: CallPython<Methods>) {}

  list(state: OperationState | null, limit: number): Promise<Listing> {
    return this.call("list_operations", { state, limit });
  }

  async details(id: string): Promise<Details> {
    return (await this.call("details", { id })).operation;
  }

  act(action: Action, id: string): Promise<{ sentence: string }> {
    return this.call(action, { id });
  }

  /** Runs an operation again, in place of the map that it made before. */
  replace(id: string): Promise<{ sentence: string }> {
    return this.call("rerun", { id, replace: true });
  }
}
