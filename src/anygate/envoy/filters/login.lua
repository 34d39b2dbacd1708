-- Takes the tokens of a login out of its cookies, and tells what the provider says of the user. Comes after
-- provider_calls.lua.

local ID_TOKEN, USERINFO = "x-anygate-id-token", "x-anygate-userinfo"

-- How many seconds an answer holds, and how many it is not asked for again where there was none.
local LONG, SHORT = 300, 10

local DIGITS = {}
for at = 1, 64 do
  DIGITS[byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", at)] = at - 1
end

local function decode(text)
  local found, bits, width = {}, 0, 0
  for at = 1, #text do
    local digit = DIGITS[byte(text, at)]
    if not digit then return nil end
    bits, width = bits * 64 + digit, width + 6
    if width >= 8 then
      width = width - 8
      local whole = math.floor(bits / 2 ^ width)
      found[#found + 1] = char(whole)
      bits = bits - whole * 2 ^ width
    end
  end
  return table.concat(found)
end

-- Whom an ID token is about. Nobody has to check its signature: Envoy has it from the provider itself.
local function subject_of(token)
  local payload = token:match("^[^.]*%.([^.]*)%.")
  local claims = payload and decode(payload)
  local known = claims and read_object(claims)
  return known and string_of(known.sub)
end

-- The values of cookies with these names, which are taken off if others are not to see them.
local function read_cookies(headers, names, hides)
  local kept, taken = {}, {}
  for number = 0, headers:getNumValues("cookie") - 1 do
    for part in headers:getAtIndex("cookie", number):gmatch("[^;]+") do
      local key, value = part:match("^%s*(.-)%s*=%s*(.-)%s*$")
      local place = key and names[key]
      if place then taken[place] = taken[place] or value else kept[#kept + 1] = part:match("^%s*(.-)%s*$") end
    end
  end
  if hides then
    headers:remove("cookie")
    if #kept > 0 then headers:add("cookie", table.concat(kept, "; ")) end
  end
  return taken
end

-- The answer about the user. One about somebody else must not be used (OpenID Connect Core, section 5.3.2).
local function ask_about(handle, context, token, subject)
  local text, known = ask(handle, context, { [":method"] = "GET", ["authorization"] = "Bearer " .. token })
  if not text then
    handle:logWarn("the provider does not say who has logged in")
  elseif not subject or string_of(known.sub) ~= subject then
    handle:logWarn("the provider speaks of somebody else than who has logged in")
  else
    return text
  end
end

local function find_userinfo(handle, context, token, subject)
  local key, now = context:get("key") .. " " .. token, os.time()
  local found = find_kept(key, now)
  if not found then
    local text = ask_about(handle, context, token, subject)
    found = text or ""
    keep(key, found, now + (text and LONG or SHORT))
  end
  return found
end

function envoy_on_request(handle)
  local headers, context = handle:headers(), handle:filterContext()
  local token = read_cookies(headers, context:get("cookies"), context:get("hides")).token
  local id_token = headers:get(ID_TOKEN)
  -- Without a login there is none, and cookies are whatever the client has sent.
  if not (id_token and token and context:get("cluster")) then return end
  local found = find_userinfo(handle, context, token, subject_of(id_token))
  -- After a call what was read of the request before is no longer there.
  if found ~= "" then handle:headers():replace(USERINFO, handle:base64Escape(found)) end
end
