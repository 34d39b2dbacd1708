-- What a cluster does to each request before its headers are edited and its credential is put on.
-- `settings` is a local table that rewrite.py writes above json.lua and splicing.lua, which come before this text.

local format = string.format
local STATE = "anygate.header."

-- The body with the model replaced by the JSON text `model`, with the members of `set`, which are added where there are
-- none, and usage asked for on streams, everything else byte for byte; nothing when there is nothing to change, or when
-- the body is no JSON object. Every one of repeated keys is changed, so that no parser finds an untouched one.
local function rewrite_body(text, model, usage, set)
  local wanted, met = {}, {}
  for _, one in ipairs(set or {}) do wanted[one[1]] = one[2] end
  local edits, added, options, streamed = {}, {}, {}, wanted.stream == "true"
  local start, close, any = whole_object(text, function(name, first, last)
    if wanted[name] then
      met[name] = true
      edits[#edits + 1] = { first, last, wanted[name] }
    elseif model and name == "model" then
      edits[#edits + 1] = { first, last, model }
    elseif usage and name == "stream" then
      streamed = streamed or sub(text, first, last) == "true"
    elseif usage and name == "stream_options" then
      options[#options + 1] = { first, last }
    end
  end)
  if not start then return nil end
  for _, one in ipairs(set or {}) do
    if not met[one[1]] then added[#added + 1] = '"' .. one[1] .. '":' .. one[2] end
  end
  if usage and streamed then ask_for_usage(text, options, edits, added) end
  if #added > 0 then edits[#edits + 1] = { close, close - 1, (any and "," or "") .. concat(added, ",") } end
  return splice(text, edits)
end

-- A model's name as one path segment, or nothing when it cannot be one.
local function path_segment(name)
  if name == "" or name == "-" or name == "." or name == ".." then return nil end
  return (gsub(name, settings.escaped, function(each) return format("%%%02X", byte(each)) end))
end

local function refuse(handle, status, bodies, which)
  handle:respond({ [":status"] = status, ["content-type"] = "application/json" }, bodies[which])
end

-- Gives this attempt the headers that the client sent: an earlier attempt may have changed them for its own backend.
local function restore_headers(handle, headers)
  local state = handle:streamInfo():filterState()
  local first = state:get(STATE) == nil
  if first then state:set(STATE, "envoy.string", "kept") end
  for _, name in ipairs(settings.kept) do
    if first then
      local count = headers:getNumValues(name)
      if count > 0 then
        local values = {}
        for index = 0, count - 1 do values[#values + 1] = headers:getAtIndex(name, index) end
        state:set(STATE .. name, "envoy.string", concat(values, ","))
      end
    else
      local value = state:get(STATE .. name)
      if value then headers:replace(name, value) else headers:remove(name) end
    end
  end
end

-- The model of this request, for a path that has it in it.
local function asked_model(handle)
  local known = handle:streamInfo():dynamicMetadata():get(settings.namespace)
  return known and known[settings.key] or ""
end

-- Moves the credential that a trusted filter has put into a header to where the next filter takes it from. False when
-- there has to be one and there is none.
local function take_credential(headers, override)
  local given = headers:get(override.header)
  if given == "" then given = nil end
  if given then headers:replace(override.target, override.prefix .. given) else headers:remove(override.target) end
  return given ~= nil or override.fallback
end

-- The length may be that of an earlier attempt's body, so it is always set anew. Should anything here fail, there is
-- none, and the request goes out in chunks.
local function write_body(handle, headers, model, usage, set)
  headers:remove("content-length")
  local body = handle:body()
  if not body then return end
  local length = body:length()
  if model or usage or set then
    local text = body:getBytes(0, length)
    if model or set or find(text, '"stream', 1, true) or find(text, "\\u", 1, true) then
      local changed = rewrite_body(text, model, usage, set)
      if changed then
        body:setBytes(changed)
        length = #changed
      end
    end
  end
  handle:headers():replace("content-length", format("%d", length))
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local route = handle:metadata()
  local endpoint = route:get("endpoint")
  if settings.kept then restore_headers(handle, headers) end
  if settings.override and not take_credential(headers, settings.override) then
    return refuse(handle, "401", settings.refusals[endpoint] or settings.refusals.chat, 1)
  end
  -- Only rows of AI requests say an endpoint; what the adapter has translated is as it has to be.
  if not endpoint or not settings.paths then return end
  local path = settings.paths[endpoint]
  if not path then return refuse(handle, "422", settings.refusals[endpoint] or settings.refusals.chat, 2) end
  local target = path.before
  if path.after then
    local segment = path_segment(settings.model or asked_model(handle))
    if not segment then return refuse(handle, "422", settings.refusals[endpoint], 3) end
    target = target .. segment .. path.after
  end
  headers:replace(":path", target)
  local usage = (endpoint == "chat" or endpoint == "completions") and route:get("usage") == true
  write_body(handle, headers, path.model, usage, path.set)
end
