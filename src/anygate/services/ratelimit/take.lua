-- One call's asks, in the same steps as the counters in memory (windows.py says what each kind of window is).
-- ARGV: now in microseconds, the slots of a sliding window, then for each key: mode, window, hits, limit, the parts of
-- a hit, period, slot and seconds to live. Says for each whether it was over, what is used, and the window's mark.
local now, slots = tonumber(ARGV[1]), tonumber(ARGV[2])

local function text(number)
  return string.format('%.0f', number)
end

local function get(key)
  return tonumber(redis.call('GET', key) or '0')
end

local function pair(key)
  local found = redis.call('HMGET', key, 'mark', 'used')
  return tonumber(found[1] or '0'), tonumber(found[2] or '0')
end

local function entry(key, at)
  local found = redis.call('LINDEX', key, at)
  if not found then return nil end
  local slot, taken = string.match(found, '(%d+):(%d+)')
  return tonumber(slot), tonumber(taken)
end

local function total(key)
  return key .. ':total'
end

-- What is used, and the mark.
local read = {
  fixed = function(key) return get(key), 0 end,
  started = function(key, ask)
    local mark, used = pair(key)
    return now < mark + ask.period and used or 0, mark
  end,
  sliding = function(key, ask)
    local used = get(total(key))
    local slot, taken = entry(key, 0)
    while slot and slot <= ask.slot - slots do
      redis.call('LPOP', key)
      used = used - taken
      slot, taken = entry(key, 0)
    end
    redis.call('SET', total(key), text(used), 'EX', ask.ttl)
    return used, slot or 0
  end,
  leaky = function(key)
    local mark = get(key)
    return math.max(0, mark - now), mark
  end,
}
read.concurrent = read.started

local function write(key, ask, mark, used)
  redis.call('HSET', key, 'mark', text(mark), 'used', text(used))
  redis.call('EXPIRE', key, ask.ttl)
end

local add = {
  fixed = function(key, ask)
    redis.call('SET', key, text(math.max(0, get(key) + ask.hits)), 'EX', ask.ttl)
  end,
  started = function(key, ask)
    local used, mark = read.started(key, ask)
    if now >= mark + ask.period then mark = now end
    write(key, ask, mark, math.max(0, used + ask.hits))
  end,
  sliding = function(key, ask)
    local used = read.sliding(key, ask)
    local hits, slot = ask.hits, ask.slot
    local last, taken = entry(key, -1)
    while last and (hits < 0 or last == slot) do
      redis.call('RPOP', key)
      used, hits, slot = used - taken, hits + taken, last
      last, taken = entry(key, -1)
    end
    if hits > 0 then
      redis.call('RPUSH', key, text(slot) .. ':' .. text(hits))
      used = used + hits
    end
    redis.call('EXPIRE', key, ask.ttl)
    redis.call('SET', total(key), text(used), 'EX', ask.ttl)
  end,
  leaky = function(key, ask)
    local mark = math.max(now, math.max(now, get(key)) + ask.hits * ask.period)
    redis.call('SET', key, text(mark), 'EX', ask.ttl)
  end,
  concurrent = function(key, ask)
    write(key, ask, now, math.max(0, read.concurrent(key, ask) + ask.hits))
  end,
}

local function ask_of(i)
  local at = 8 * (i - 1) + 2
  return {
    mode = ARGV[at + 1],
    window = ARGV[at + 2],
    hits = tonumber(ARGV[at + 3]),
    limit = tonumber(ARGV[at + 4]),
    size = tonumber(ARGV[at + 5]),
    period = tonumber(ARGV[at + 6]),
    slot = tonumber(ARGV[at + 7]),
    ttl = ARGV[at + 8],
  }
end

-- The slot of a sliding window with which so much will be forgotten, or the last one there is.
local function freeing(key, excess)
  local found, at = 0, 0
  repeat
    local slot, taken = entry(key, at)
    if slot then found, excess, at = slot, excess - taken, at + 1 end
  until excess <= 0 or not slot
  return found
end

local gone, over, refused = {}, {}, false
for i, key in ipairs(KEYS) do
  local ask = ask_of(i)
  gone[i] = read[ask.window](key, ask)
  over[i] = 0
  if ask.mode ~= 'charge' and ask.hits >= 0 and gone[i] + math.max(ask.hits, 1) * ask.size > ask.limit * ask.size then
    over[i] = 1
    if ask.mode == 'limit' then refused = true end
  end
end
local result = {}
for i, key in ipairs(KEYS) do
  local ask = ask_of(i)
  local spared = refused or (ask.mode == 'quota' and over[i] == 1)
  local counted = ask.mode == 'charge' or ask.window == 'concurrent' or not spared
  if counted and ask.hits ~= 0 and (ask.hits > 0 or redis.call('EXISTS', key) == 1) then add[ask.window](key, ask) end
  local used, mark = read[ask.window](key, ask)
  if over[i] == 1 and ask.window == 'sliding' then
    mark = freeing(key, gone[i] + math.max(ask.hits, 1) - ask.limit)
  end
  result[3 * i - 2] = over[i]
  result[3 * i - 1] = counted and used or gone[i]
  result[3 * i] = text(mark)
end
return result
