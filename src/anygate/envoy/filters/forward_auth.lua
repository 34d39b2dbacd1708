-- Asks a service whether a request may pass. Before it, headers were set that it is to tell the service.

local TOLD = "x-anygate-told-"

-- Only what a service itself has answered says how long it took; Envoy's own words for its absence do not.
local ANSWERED = "x-envoy-upstream-service-time"

local function values_of(found)
  return type(found) == "table" and found or { found }
end

-- What a script gets from its handle is no good once it has waited, so it is asked for again each time.
local function build_question(handle)
  local body = handle:filterContext():get("method") == "POST" and handle:body()
  local context, headers = handle:filterContext(), handle:headers()
  local asked = {
    [":method"] = context:get("method"),
    [":path"] = context:get("path"),
    [":authority"] = context:get("host"),
  }
  for at, name in ipairs(context:get("told") or {}) do
    local from = TOLD .. (at - 1)
    asked[name] = headers:get(from)
    headers:remove(from)
  end
  local bare = context:get("host_header")
  if bare then
    local host = headers:get(":authority"):lower()
    asked[bare] = host:match("^(%[.*%])") or host:match("^[^:]*")
  end
  for _, name in ipairs(context:get("headers") or {}) do
    asked[name] = asked[name] or headers:get(name)
  end
  if not body then return asked, nil end
  asked["content-encoding"] = asked["content-encoding"] or headers:get("content-encoding")
  return asked, body:getBytes(0, body:length())
end

-- What the service alone may say to the backend takes the place of what the client says.
local function pass_on(handle, found)
  local headers = handle:headers()
  for _, name in ipairs(handle:filterContext():get("to_backend") or {}) do
    headers:remove(name)
    for _, value in ipairs(values_of(found[name])) do headers:add(name, value) end
  end
end

-- What the client is answered; nothing where the request may pass.
local function decide(handle)
  local asked, sent = build_question(handle)
  local context = handle:filterContext()
  local options = { timeout_ms = context:get("timeout"), return_duplicate_headers = true, send_xff = false }
  local found, body = handle:httpCall(context:get("cluster"), asked, sent, options)
  context = handle:filterContext()
  if not found or not found[ANSWERED] then
    if context:get("fail_open") then return pass_on(handle, {}) end
    return { [":status"] = context:get("status"), ["content-type"] = context:get("content_type") }, context:get("body")
  end
  if tonumber(found[":status"]) >= 300 then
    local told = { [":status"] = found[":status"], ["content-type"] = "text/plain; charset=utf-8" }
    for _, name in ipairs(context:get("to_client") or {}) do told[name] = found[name] or told[name] end
    return told, body
  end
  pass_on(handle, found)
end

function envoy_on_request(handle)
  -- Envoy lets a request pass when a script fails.
  local went, answer, body = pcall(decide, handle)
  if not went then answer, body = { [":status"] = "500" }, "" end
  if answer then handle:respond(answer, body or "") end
end
