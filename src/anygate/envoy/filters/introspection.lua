-- Tokens that are looked up at the provider. Comes after provider_calls.lua.

local USERINFO, CREDENTIAL = "x-anygate-userinfo", "x-anygate-introspection"

local function refuse(handle, words)
  local headers = { [":status"] = words.status, ["content-type"] = words.content_type }
  if words.challenge ~= "" then headers["www-authenticate"] = words.challenge end
  handle:respond(headers, words.body)
end

local function escape(text)
  return (gsub(text, "[^%w._~-]", function(one) return string.format("%%%02X", byte(one)) end))
end

local function build_call(headers, context, token, credential)
  local sent = { [":method"] = "POST", ["content-type"] = "application/x-www-form-urlencoded" }
  for _, name in ipairs(context:get("headers") or {}) do sent[name] = headers:get(name) end
  local form = "token=" .. escape(token)
  if context:get("in_body") then
    form = form .. "&" .. credential
  else
    sent["authorization"] = credential
  end
  sent["content-length"] = tostring(#form)
  return sent, form
end

-- Until when an answer holds; nothing where it does not say.
local function find_end(context, known, now)
  local claim = context:get("expiry_claim")
  local said = tonumber(known[claim])
  if not said then return nil end
  -- Another claim than this tells for how long, as in lua-resty-openidc.
  local till = claim == "exp" and said or now + said
  local longest = context:get("longest")
  return longest and math.min(till, now + longest) or till
end

local function has_scopes(wanted, written)
  local found = {}
  for scope in (string_of(written) or ""):gmatch("%S+") do found[scope] = true end
  for _, scope in ipairs(wanted or {}) do
    if not found[scope] then return false end
  end
  return true
end

-- Whether a claim, a text or an array with texts, says a value.
local function says(written, value)
  if byte(written) ~= OPEN_BRACKET then return string_of(written) == value end
  local found = false
  elements(written, 1, function(first, last) found = found or string_of(sub(written, first, last)) == value end)
  return found
end

local function is_for(context, known)
  local audience = known[context:get("audience_claim")]
  if not audience or audience == "null" then return not context:get("audience_required") end
  local wanted = context:get("audience")
  return not wanted or says(audience, wanted)
end

-- What the provider says of an active token: its answer and the members of it.
local function look_up(handle, context, token, credential)
  local key, now = context:get("key") .. " " .. token, os.time()
  local text = find_kept(key, now)
  if text then return text, read_object(text) end
  local sent, form = build_call(handle:headers(), context, token, credential)
  local answer, known = ask(handle, context, sent, form)
  if not answer or known.active ~= "true" then return nil end
  -- After a call what was read of the request before is no longer there.
  local till = find_end(handle:filterContext(), known, now)
  if till and till > now then keep(key, answer, till) end
  return answer, known
end

local function check(handle)
  local headers, context = handle:headers(), handle:filterContext()
  local credential = headers:get(CREDENTIAL)
  headers:remove(CREDENTIAL)
  local written = headers:get("authorization")
  if not written or not find(written, "^[Bb][Ee][Aa][Rr][Ee][Rr] ") then
    return refuse(handle, context:get("token_missing"))
  end
  local token = written:match("^%a+ +(%S+)$")
  if not token or headers:getNumValues("authorization") > 1 then return refuse(handle, context:get("token_wrong")) end
  if not credential then return handle:respond({ [":status"] = "503" }, "") end
  local answer, known = look_up(handle, context, token, credential)
  headers, context = handle:headers(), handle:filterContext()
  if not answer then return refuse(handle, context:get("token_wrong")) end
  if not has_scopes(context:get("scopes"), known.scope) then return refuse(handle, context:get("scope_missing")) end
  if not is_for(context, known) then return refuse(handle, context:get("audience_wrong")) end
  headers:replace("authorization", "Bearer " .. token)
  if context:get("userinfo") then headers:replace(USERINFO, handle:base64Escape(answer)) end
end

function envoy_on_request(handle)
  -- Envoy lets a request pass when a script fails.
  if not pcall(check, handle) then handle:respond({ [":status"] = "503" }, "") end
end
