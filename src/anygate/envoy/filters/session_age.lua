-- A session's age, which Envoy does not know: what a client carries is "VALUE.CREATED.UNTIL", where VALUE is what Envoy
-- made and the others are seconds since 1970. Towards Envoy only VALUE is left, and nothing of one that is too old.

local KEPT = "anygate.session"

local function seconds(handle)
  return math.floor(tonumber(tostring(handle:timestamp()), 10) / 1000)
end

-- The end of a session that was created then and is used now; nil if nothing ends it.
local function find_end(context, created, used)
  local idle, absolute = context:get("idle"), context:get("absolute")
  local by_idle = idle and used + idle
  local by_age = absolute and created + absolute
  if by_idle and by_age then return math.min(by_idle, by_age) end
  return by_idle or by_age
end

-- What Envoy made and when; nil for what is not ours or has ended.
local function open(value, used)
  local bare, created, till = value:match("^(.*)%.(%d+)%.(%d+)$")
  if not bare or tonumber(till) <= used or tonumber(created) > used then return nil end
  return bare, tonumber(created)
end

local function seal(context, bare, created, used)
  return string.format("%s.%d.%d", bare, created, find_end(context, created, used))
end

local function keep(handle, bare, created)
  handle:streamInfo():dynamicMetadata():set(KEPT, "value", bare)
  handle:streamInfo():dynamicMetadata():set(KEPT, "created", created)
end

local function read_cookies(handle, name, used)
  local found = {}
  local headers = handle:headers()
  for number = 0, headers:getNumValues("cookie") - 1 do
    for part in headers:getAtIndex("cookie", number):gmatch("[^;]+") do
      local key, value = part:match("^%s*(.-)%s*=%s*(.-)%s*$")
      if key ~= name then
        found[#found + 1] = part:match("^%s*(.-)%s*$")
      else
        local bare, created = open(value:gsub('"', ""), used)
        if bare then
          keep(handle, bare, created)
          found[#found + 1] = string.format('%s="%s"', name, bare)
        end
      end
    end
  end
  headers:remove("cookie")
  if #found > 0 then headers:add("cookie", table.concat(found, "; ")) end
end

function envoy_on_request(handle)
  local context = handle:filterContext()
  local name, used = context:get("name"), seconds(handle)
  if context:get("kind") == "cookie" then
    if handle:headers():get("cookie") then read_cookies(handle, name, used) end
    return
  end
  local value = handle:headers():get(name)
  if not value then return end
  local bare, created = open(value, used)
  if bare then
    keep(handle, bare, created)
    handle:headers():replace(name, bare)
  else
    handle:headers():remove(name)
  end
end

local function render_cookie(context, name, value, created, used)
  local parts = { string.format('%s="%s"', name, seal(context, value, created, used)) }
  if context:get("permanent") then
    parts[#parts + 1] = "Max-Age=" .. find_end(context, created, used) - used
  end
  parts[#parts + 1] = context:get("attributes")
  return table.concat(parts, "; ")
end

-- Takes away the cookie that Envoy gives, and tells its value.
local function take_cookie(headers, name)
  local kept, given = {}, nil
  for number = 0, headers:getNumValues("set-cookie") - 1 do
    local line = headers:getAtIndex("set-cookie", number)
    local value = line:sub(1, #name + 1) == name .. "=" and line:sub(#name + 2):match("^[^;]*")
    if value then given = value:gsub('"', "") else kept[#kept + 1] = line end
  end
  if given then
    headers:remove("set-cookie")
    for _, line in ipairs(kept) do headers:add("set-cookie", line) end
  end
  return given
end

function envoy_on_response(handle)
  local context = handle:filterContext()
  local name, used = context:get("name"), seconds(handle)
  local headers = handle:headers()
  local is_cookie = context:get("kind") == "cookie"
  local given = is_cookie and take_cookie(headers, name) or not is_cookie and headers:get(name)
  local created = used
  if not given then
    local kept = handle:streamInfo():dynamicMetadata():get(KEPT)
    -- What is not renewed by use stays as the client has it.
    if not kept or not context:get("idle") then return end
    given, created = kept.value, kept.created
  end
  if is_cookie then
    headers:add("set-cookie", render_cookie(context, name, given, created, used))
  else
    headers:replace(name, seal(context, given, created, used))
  end
end
