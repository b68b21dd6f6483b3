-- The part that the gate's scripts share. KEYS[1] is a prefix whose braces keep every key in one slot of a cluster;
-- ARGV[1] is the question as JSON, without nulls (cjson would make them true).
-- Traps: tostring() and cjson.encode() write large numbers as 1e+15, so whole ones go out through text(); cjson keeps
-- 14 digits, so circuits are kept in milliseconds. Numbers are exact up to 2^53: nano-dollars up to 9 million dollars.
local prefix, ask = KEYS[1], cjson.decode(ARGV[1])
local DAY_MS, TICKET_MS = 86400000, 86400000

local function text(n) return string.format('%.0f', n) end

local now = ask.now -- given by tests only: workers' clocks differ, the server's is one
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local now_ms = math.floor(now / 1000)
local hour, day = math.floor(now / 3600000000), math.floor(now / 86400000000)

-- Circuits: services/decider/domain/breaker.py, line by line.

local function circuit_of(id)
  local raw = redis.call('GET', prefix .. ':circuit:' .. id)
  local c = raw and cjson.decode(raw)
    or { failures = 0, opened = 0, ends = 0, lease = 0, prober = '', cause = '', alive = 0, flights = {} }
  local flights = {}
  for _, one in ipairs(c.flights) do
    if one.ends > now_ms then flights[#flights + 1] = one end
  end
  c.flights = flights
  return c
end

local function keep_circuit(id, c)
  redis.call('SET', prefix .. ':circuit:' .. id, cjson.encode(c), 'PX', DAY_MS)
end

local function trusted(c) return c.failures == 0 and now_ms - c.alive <= ask.rules.proven end

-- Books: one hash per UTC day with a field per scope, "hour hour_usd hour_tokens day_usd day_tokens" (nano-dollars).
-- Its epoch names the server's run, so that a restart, a failover or a flush is noticed, whatever came back with it.

local function book(d) return prefix .. ':book:' .. text(d) end

local function of_this_run(epoch)
  local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or 'unknown'
  return string.sub(epoch, 1, #run) == run
end

local function run_id() return string.match(redis.call('INFO', 'server'), 'run_id:(%w+)') or 'unknown' end

-- The epoch of the counters, or nil when they are lost. A new day's book begins where yesterday's is whole, once.
local function epoch()
  local today = redis.call('HGET', book(day), 'epoch')
  if today then return of_this_run(today) and today or nil end
  local before = redis.call('HMGET', book(day - 1), 'epoch', 'turned')
  if not before[1] or before[2] or not of_this_run(before[1]) then return nil end
  redis.call('HSET', book(day - 1), 'turned', 1)
  redis.call('HSET', book(day), 'epoch', before[1])
  redis.call('PEXPIRE', book(day), 2 * DAY_MS)
  return before[1]
end

local function spent(scope)
  local raw = redis.call('HGET', book(day), 's:' .. scope)
  if not raw then return { usd_per_hour = 0, tokens_per_hour = 0, usd_per_day = 0, tokens_per_day = 0 } end
  local of, hu, ht, du, dt = string.match(raw, '(%d+) (%d+) (%d+) (%d+) (%d+)')
  local same = tonumber(of) == hour
  return {
    usd_per_hour = same and tonumber(hu) or 0, tokens_per_hour = same and tonumber(ht) or 0,
    usd_per_day = tonumber(du), tokens_per_day = tonumber(dt),
  }
end

-- Add to a scope's counters, what was reserved at another hour or day only where that period still runs.
local function add(scope, usd, tokens, of_hour, of_day)
  if of_day ~= day then return end
  local s = spent(scope)
  if of_hour == hour then
    s.usd_per_hour = math.max(0, s.usd_per_hour + usd)
    s.tokens_per_hour = math.max(0, s.tokens_per_hour + tokens)
  end
  s.usd_per_day = math.max(0, s.usd_per_day + usd)
  s.tokens_per_day = math.max(0, s.tokens_per_day + tokens)
  redis.call('HSET', book(day), 's:' .. scope, table.concat({
    text(hour), text(s.usd_per_hour), text(s.tokens_per_hour), text(s.usd_per_day), text(s.tokens_per_day),
  }, ' '))
end

local function amount(name, want) return string.sub(name, 1, 3) == 'usd' and want.usd or want.tokens end

-- Which limits are used beyond 80 %, each told once in its period.
local function warnings(scopes, found)
  for _, scope in ipairs(scopes) do
    local s = spent(scope.id)
    for name, limit in pairs(scope.limits) do
      local period = string.sub(name, -4) == 'hour' and hour or day
      local reached = found and found.scope == scope.id and found.limit == name
      if (reached or s[name] > 0.8 * limit)
        and redis.call('HSETNX', book(day), 'w:' .. scope.id .. ':' .. name .. ':' .. text(period), 1) == 1 then
        ask.warned = ask.warned or {}
        table.insert(ask.warned, {
          scope = scope.id, limit = name, period = text(period), used = text(s[name]), bound = text(limit),
        })
      end
    end
  end
  return ask.warned
end

local function ticket_key(call) return prefix .. ':ticket:' .. call end
