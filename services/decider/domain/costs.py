"""What a reply came to, and who says so: one rule for the record, the budgets and the metrics."""

from services.decider.domain.catalogue import CatalogueEntry, CostSource, cost
from services.decider.domain.replies import Reply


def cost_of(entry: CatalogueEntry, reply: Reply) -> tuple[float | None, CostSource]:
    """Dollars of a call: 0 for sure where it was turned down before any work."""
    if reply.is_free:
        return 0.0, "refused"
    return cost(entry, reply.usage, reply.reported_cost, reply.upstream_cost, byok=reply.byok)
