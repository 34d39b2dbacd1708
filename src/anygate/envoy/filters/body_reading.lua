-- Finds the values in a body that conditions of routes ask for. Comes after json.lua; body_reading.py puts in what
-- begins with a dollar sign.

-- Adds the texts of the values at a path below the JSON value at `at`. Of two members of one name the last counts.
local function collect(text, at, steps, number, found)
  local step = steps[number]
  if step == nil then
    local first = byte(text, at)
    local last = value_end(text, at)
    if first == QUOTE then
      found[#found + 1] = unescape(sub(text, at + 1, last - 1))
    elseif first ~= OPEN_BRACE and first ~= OPEN_BRACKET and sub(text, at, last) ~= "null" then
      found[#found + 1] = sub(text, at, last)
    end
  elseif type(step) == "string" then
    local place
    members(text, at, function(name, first) if name == step then place = first end end)
    if place then collect(text, place, steps, number + 1, found) end
  else
    local index = 0
    elements(text, at, function(first)
      if step < 0 or index == step then collect(text, first, steps, number + 1, found) end
      index = index + 1
    end)
  end
end

local function in_json(text)
  local start = whole_object(text, function() end)
  return start and function(steps, found) collect(text, start, steps, 1, found) end
end

-- A field of a form has a name and nothing below it.
local function in_fields(fields)
  return function(steps, found)
    if #steps == 1 then found[1] = fields[steps[1]] end
  end
end

local function decode(text)
  return (gsub(gsub(text, "%+", " "), "%%(%x%x)", function(digits) return char(tonumber(digits, 16)) end))
end

local function in_form(text)
  local fields = {}
  for pair in string.gmatch(text, "[^&]+") do
    local name, value = string.match(pair, "^([^=]*)=?(.*)$")
    name = decode(name)
    if fields[name] == nil then fields[name] = decode(value) end
  end
  return in_fields(fields)
end

-- The parts of multipart/form-data that are no files; nothing of a form that does not end.
local function in_parts(text, kind)
  local quoted, plain = string.match(kind, '[;%s][bB][oO][uU][nN][dD][aA][rR][yY]="([^"]+)"'),
    string.match(kind, "[;%s][bB][oO][uU][nN][dD][aA][rR][yY]=([^;%s]+)")
  local boundary = quoted or plain
  if not boundary then return nil end
  text = "\r\n" .. text
  local delimiter, fields = "\r\n--" .. boundary, {}
  local _, at = find(text, delimiter, 1, true)
  while at do
    if sub(text, at + 1, at + 2) == "--" then return in_fields(fields) end
    local head_end, content = find(text, "\r\n\r\n", at, true)
    if not head_end then return nil end
    local next_start, next_end = find(text, delimiter, content - 1, true)
    if not next_start then return nil end
    local said = string.match(sub(text, at, head_end + 1), "\r\n[cC]ontent%-[dD]isposition:([^\r\n]*)") or ""
    local name = string.match(said, ';%s*name="([^"]*)"') or string.match(said, ";%s*name=([^;%s]*)")
    if name and fields[name] == nil and not find(said, ";%s*filename") then
      fields[name] = sub(text, content + 1, next_start - 1)
    end
    at = next_end
  end
  return nil
end

-- What finds values in the body, whether it is a URL-encoded form, and whether it is too long to be looked at.
local function open_body(handle)
  local headers = handle:headers()
  local kind = headers:get("content-type") or ""
  local lower = string.lower(kind)
  local is_json = find(lower, "application/json", 1, true)
  local is_form = find(lower, "application/x-www-form-urlencoded", 1, true)
  local is_parted = find(lower, "multipart/form-data", 1, true)
  if not (is_json or is_form or is_parted) then return nil end
  -- What is not there is no value at all, not even nil.
  if (tonumber(headers:get("content-length") or "") or 0) > $LONGEST then return nil, false, true end
  local body = handle:body()
  local length = body and body:length() or 0
  if length == 0 then return nil end
  if length > $LONGEST then return nil, false, true end
  local text = body:getBytes(0, length)
  if is_json then return in_json(text), false end
  if is_form then return in_form(text), true end
  return in_parts(text, kind), false
end

function envoy_on_request(handle)
  local paths = handle:filterContext():get("paths")
  if not paths then return end
  local search, is_form, is_too_long = open_body(handle)
  if is_too_long then return handle:respond({ [":status"] = "413" }, "Payload Too Large") end
  local metadata = handle:streamInfo():dynamicMetadata()
  for _, path in ipairs(search and paths or {}) do
    local found = {}
    if is_form or not path.form then search(path.steps, found) end
    if #found > 0 then metadata:set("$NAMESPACE", path.name, found) end
  end
  metadata:set("$NAMESPACE", "$READ", true)
  handle:clearRouteCache()
end
