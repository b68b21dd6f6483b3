-- The counters as the log has them, and a new epoch. Only by the holder of the lease, only while they are lost.
-- ask: holder, day, hour, spent [{id, usd_per_hour, ...}], seen {call: true}
if redis.call('GET', prefix .. ':rebuilder') ~= ask.holder or epoch() then return cjson.encode({ restored = false }) end
redis.call('DEL', book(day), book(day - 1))
local made = run_id() .. ':' .. text(now)
redis.call('HSET', book(day), 'epoch', made)
redis.call('PEXPIRE', book(day), 2 * DAY_MS)
for _, s in ipairs(ask.spent) do
  add(s.id, s.usd_per_hour, s.tokens_per_hour, ask.hour, ask.day)
  add(s.id, s.usd_per_day - s.usd_per_hour, s.tokens_per_day - s.tokens_per_hour, -1, ask.day)
end
local orphans = redis.call('HGETALL', prefix .. ':orphans')
for n = 1, #orphans, 2 do
  local call, o = orphans[n], cjson.decode(orphans[n + 1])
  if not ask.seen[call] then
    for _, scope in ipairs(o.scopes) do add(scope, tonumber(o.usd), tonumber(o.tokens), hour, day) end
    if not o.ended then
      redis.call('SET', ticket_key(call), cjson.encode({
        nonce = o.nonce, usd = o.usd, tokens = o.tokens, hour = hour, day = day, scopes = o.scopes, probe = false,
      }), 'PX', TICKET_MS)
    end
  end
end
redis.call('DEL', prefix .. ':orphans', prefix .. ':rebuilder')
return cjson.encode({ restored = true, epoch = made })
