"""The lines that protect what is promised. Each can be left out of a run, to see that it is needed."""

PROTECTING: dict[str, str] = {
    "duplicate_id": "the log stores a message id once",
    "one_end": "all ends of a decision share one id",
    "confirmed_publish": "a publish counts when the server has answered",
    "compare_and_set": "a place in flight is written where its revision is the one that was read",
    "ack_after_publish": "a message is acknowledged after what follows from it is stored",
    "ack_after_store": "the ledger acknowledges after it has stored",
    "redelivery": "what is not acknowledged in time is delivered again",
    "confirmed_write": "a write of an account counts when MongoDB has answered",
    "one_writer": "an account is written under its newest fence, on the version that was read",
    "executed_once": "an account remembers which decisions it has carried out",
    "outbox_in_the_write": "events wait in the write that made them",
    "stored_before_sent": "a plan is stored with the account that carries it out",
    "plans_kept": "a plan is in the history before it leaves its account",
    "intents_kept": "an ended intent is in the history before its event leaves the outbox",
}
