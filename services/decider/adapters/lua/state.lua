-- Whether the counters are there, what `ask.scopes` have used, how `ask.circuits` stand. Takes nothing.
local used = {}
for _, scope in ipairs(ask.scopes or {}) do
  local s = spent(scope)
  used[#used + 1] = {
    id = scope, usd_per_hour = text(s.usd_per_hour), tokens_per_hour = text(s.tokens_per_hour),
    usd_per_day = text(s.usd_per_day), tokens_per_day = text(s.tokens_per_day),
  }
end
local circuits = {}
for _, id in ipairs(ask.circuits or {}) do circuits[#circuits + 1] = circuit_of(id) end
return cjson.encode({ epoch = epoch() or '', used = used, circuits = circuits, now_ms = text(now_ms) })
