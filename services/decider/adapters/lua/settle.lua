-- What a call came to. Told twice it counts once. A nonce of '' means: whoever holds the call's ticket (a redelivered
-- decision whose worker died after the answer was kept).
-- ask: nonce, call, epoch, circuits [{id, failures, verdict, cause}], rules {open, longest, proven},
-- budget? {usd, tokens, scopes [{id, limits}]}
for _, guard in ipairs(ask.circuits) do
  local c = circuit_of(guard.id)
  local flights = {}
  for _, one in ipairs(c.flights) do
    if one.by ~= ask.nonce then flights[#flights + 1] = one end
  end
  c.flights = flights
  if c.opened == 0 or c.prober == ask.nonce then
    local failures = c.failures + 1
    if guard.verdict == 'released' then
      c.lease, c.prober = 0, ''
    elseif guard.verdict == 'alive' then
      c = { failures = 0, opened = 0, ends = 0, lease = 0, prober = '', cause = '', alive = now_ms, flights = {} }
    elseif guard.verdict == 'failed' and c.opened == 0 and (guard.failures == 0 or failures < guard.failures) then
      if guard.failures > 0 then c.failures, c.alive = failures, 0 end
    else
      local length = math.min(ask.rules.open * 2 ^ math.min(c.opened, 30), ask.rules.longest)
      c = {
        failures = failures, opened = c.opened + 1, ends = now_ms + length, lease = 0, prober = '',
        cause = guard.cause, alive = 0, flights = {},
      }
    end
  end
  keep_circuit(guard.id, c)
end

local budget = ask.budget
if not budget then return cjson.encode({ settled = true }) end
local era, held = epoch(), redis.call('GET', ticket_key(ask.call))
if not era then return cjson.encode({ settled = false }) end
held = held and cjson.decode(held)
if held and (ask.nonce == '' or held.nonce == ask.nonce) then
  for _, scope in ipairs(held.scopes) do
    add(scope, budget.usd - tonumber(held.usd), budget.tokens - tonumber(held.tokens), held.hour, held.day)
  end
  redis.call('DEL', ticket_key(ask.call))
elseif ask.nonce ~= '' and ask.epoch ~= era then -- its reservation was lost with the counters
  for _, scope in ipairs(budget.scopes) do add(scope.id, budget.usd, budget.tokens, hour, day) end
end
return cjson.encode({ settled = true, warned = warnings(budget.scopes) })
