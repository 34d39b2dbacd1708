-- Counts failures by host and path, and refuses requests for a while. Each worker counts by itself.
local known, count = {}, 0
local MOST = 10000

local function key_of(handle)
  local headers = handle:headers()
  return (headers:get(":authority") or "") .. (headers:get(":path") or ""):match("^[^?]*")
end

local function has(list, number)
  for _, one in ipairs(list) do
    if one == number then return true end
  end
  return false
end

local function now(handle)
  return tonumber(handle:timestampString(EnvoyTimestampResolution.MILLISECOND)) / 1000
end

local function is_open(state, context, time)
  if not state or not state.since then return false end
  local rounds = math.max(1, math.ceil(state.failures / context:get("failures")))
  return time <= state.since + math.min(2 ^ rounds, context:get("longest"))
end

function envoy_on_request(handle)
  local context = handle:filterContext()
  local key = context:get("rule") .. " " .. key_of(handle)
  if not is_open(known[key], context, now(handle)) then
    handle:streamInfo():dynamicMetadata():set("anygate.breaker", "key", key)
    return
  end
  local headers = { [":status"] = tostring(context:get("status")) }
  for _, one in ipairs(context:get("headers") or {}) do headers[one.name] = one.value end
  handle:respond(headers, context:get("body") or "")
end

function envoy_on_response(handle)
  local context = handle:filterContext()
  local key = (handle:streamInfo():dynamicMetadata():get("anygate.breaker") or {}).key
  if not key then return end
  local status = tonumber(handle:headers():get(":status"))
  local state = known[key]
  if has(context:get("failing"), status) then
    if not state then
      -- Forgetting everything at times bounds the memory; what still fails is soon known again.
      if count >= MOST then known, count = {}, 0 end
      state, count = { failures = 0, successes = 0 }, count + 1
      known[key] = state
    end
    state.failures, state.successes = state.failures + 1, 0
    if state.failures % context:get("failures") == 0 then state.since = now(handle) end
  elseif state and has(context:get("healthy"), status) then
    state.successes = state.successes + 1
    if state.successes >= context:get("successes") then known[key], count = nil, count - 1 end
  end
end
