-- The counters are lost and this call is under way, or has ended since: whoever makes them anew counts it.
-- ask: nonce, call, usd, tokens, ended, scopes [id]. Answers whether the counters are still lost.
if epoch() then return cjson.encode({ lost = false }) end
local known = redis.call('HGET', prefix .. ':orphans', ask.call)
known = known and cjson.decode(known)
if known and known.nonce == ask.nonce and known.ended then return cjson.encode({ lost = true }) end
redis.call('HSET', prefix .. ':orphans', ask.call, cjson.encode({
  nonce = ask.nonce, usd = text(ask.usd), tokens = text(ask.tokens), ended = ask.ended, scopes = ask.scopes,
}))
redis.call('PEXPIRE', prefix .. ':orphans', TICKET_MS)
return cjson.encode({ lost = true })
