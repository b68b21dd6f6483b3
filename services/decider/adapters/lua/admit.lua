-- May this call be made? All or nothing: what is denied has taken nothing. Asked twice under one nonce (the answer got
-- lost on its way) it takes once.
-- ask: nonce, call, circuits [{id, failures}], rules {lease, proven}, patient, buckets [{id, interval, slack}],
-- part? (of each limit that a shadow arm may use), budget? {usd, tokens, scopes [{id, limits}]}
local budget, era = ask.budget, ''
if budget then
  era = epoch()
  if not era then return cjson.encode({ denied = 'lost' }) end
  local held = redis.call('GET', ticket_key(ask.call))
  if held then
    held = cjson.decode(held)
    if held.nonce == ask.nonce then return cjson.encode({ epoch = era, probe = held.probe }) end
  end
end

local circuits, probe = {}, false
for n, guard in ipairs(ask.circuits) do
  local c = circuit_of(guard.id)
  circuits[n] = c
  if c.opened > 0 then
    local wait = math.max(c.ends, c.lease) - now_ms
    if wait > 0 then
      return cjson.encode({ denied = 'breaker', which = guard.id, cause = c.cause, wait = text(wait * 1000) })
    end
    probe = true
  elseif ask.patient and guard.failures > 0 and not trusted(c) and c.failures + #c.flights >= guard.failures then
    return cjson.encode({ denied = 'crowded', which = guard.id })
  end
end

local full_at = {}
for n, bucket in ipairs(ask.buckets) do
  local at = tonumber(redis.call('GET', prefix .. ':bucket:' .. bucket.id) or 0)
  local wait = at - bucket.slack - now
  if wait > 0 then return cjson.encode({ denied = 'rate', which = bucket.id, wait = text(wait) }) end
  full_at[n] = math.max(at, now) + bucket.interval
end

for _, scope in ipairs(budget and budget.scopes or {}) do
  local s = spent(scope.id)
  for name, limit in pairs(scope.limits) do
    local bound = math.floor(limit * (ask.part or 1))
    if s[name] + amount(name, budget) > bound then
      local length = string.sub(name, -4) == 'hour' and 3600000000 or 86400000000
      return cjson.encode({
        denied = 'budget', which = scope.id, limit = name, used = text(s[name]), bound = text(bound),
        wait = text(length - now % length), part = ask.part,
        -- what a shadow arm is denied is nobody's alarm: others may still spend
        warned = not ask.part and warnings({ { id = scope.id, limits = { [name] = limit } } },
          { scope = scope.id, limit = name }) or nil,
      })
    end
  end
end

for n, guard in ipairs(ask.circuits) do
  local c = circuits[n]
  if c.opened > 0 then
    c.lease, c.prober = now_ms + ask.rules.lease, ask.nonce
    keep_circuit(guard.id, c)
  elseif guard.failures > 0 and not trusted(c) then
    table.insert(c.flights, { by = ask.nonce, ends = now_ms + ask.rules.lease })
    keep_circuit(guard.id, c)
  end
end
for n, bucket in ipairs(ask.buckets) do
  local life = math.ceil((full_at[n] - now) / 1000) + 1000
  redis.call('SET', prefix .. ':bucket:' .. bucket.id, text(full_at[n]), 'PX', text(life))
end
if budget then
  local names = {}
  for n, scope in ipairs(budget.scopes) do
    add(scope.id, budget.usd, budget.tokens, hour, day)
    names[n] = scope.id
  end
  redis.call('SET', ticket_key(ask.call), cjson.encode({
    nonce = ask.nonce, usd = text(budget.usd), tokens = text(budget.tokens),
    hour = hour, day = day, scopes = names, probe = probe,
  }), 'PX', TICKET_MS)
end
return cjson.encode({ epoch = era, probe = probe })
