-- What a cluster does to each request before its headers are edited and its credential is put on.
-- `settings` is a local table that rewrite.py writes above json.lua, which comes before this text.

local format, concat = string.format, table.concat
local STATE = "anygate.header."

-- Asks for usage in the value of `stream_options` from `first` to `last`; what is no object is replaced.
local function ask_for_usage(text, first, last, edits)
  local found, own = false, {}
  local close, any = members(text, first, function(name, start, stop)
    if name == "include_usage" then
      found = true
      own[#own + 1] = { start, stop, "true" }
    end
  end)
  if not close then
    edits[#edits + 1] = { first, last, '{"include_usage":true}' }
  elseif found then
    for _, edit in ipairs(own) do edits[#edits + 1] = edit end
  else
    edits[#edits + 1] = { close, close - 1, (any and "," or "") .. '"include_usage":true' }
  end
end

-- The body with the model replaced by the JSON text `model` and usage asked for on streams, everything else byte for
-- byte; nothing when there is nothing to change, or when the body is no JSON object. Every one of repeated keys is
-- changed, so that no parser finds an untouched one.
local function rewrite_body(text, model, usage)
  local start = find(text, "[^ \t\r\n]")
  if not start then return nil end
  local edits, options, streamed = {}, {}, false
  local close, any = members(text, start, function(name, first, last)
    if model and name == "model" then
      edits[#edits + 1] = { first, last, model }
    elseif usage and name == "stream" then
      streamed = streamed or sub(text, first, last) == "true"
    elseif usage and name == "stream_options" then
      options[#options + 1] = { first, last }
    end
  end)
  if not close or find(text, "[^ \t\r\n]", close + 1) then return nil end
  if streamed then
    for _, each in ipairs(options) do ask_for_usage(text, each[1], each[2], edits) end
    if #options == 0 then
      edits[#edits + 1] = { close, close - 1, (any and "," or "") .. '"stream_options":{"include_usage":true}' }
    end
  end
  if #edits == 0 then return nil end
  table.sort(edits, function(one, other) return one[1] < other[1] end)
  local out, from = {}, 1
  for _, edit in ipairs(edits) do
    out[#out + 1] = sub(text, from, edit[1] - 1)
    out[#out + 1] = edit[3]
    from = edit[2] + 1
  end
  out[#out + 1] = sub(text, from)
  return concat(out)
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
local function write_body(handle, headers, model, usage)
  headers:remove("content-length")
  local body = handle:body()
  if not body then return end
  local length = body:length()
  if model or usage then
    local text = body:getBytes(0, length)
    if model or find(text, '"stream', 1, true) or find(text, "\\u", 1, true) then
      local changed = rewrite_body(text, model, usage)
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
  write_body(handle, headers, path.model, (endpoint == "chat" or endpoint == "completions") and route:get("usage") == true)
end
