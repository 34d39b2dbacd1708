-- Changes answers, one edit after the other.
local function holds(edit, status)
  if not edit.statuses then return true end
  for _, range in ipairs(edit.statuses) do
    if status >= range.first and status <= range.last then return true end
  end
  return false
end

-- Bodies that are no text come in hexadecimal digits.
local function bytes(value)
  if type(value) ~= "table" then return value end
  return (value.hex:gsub("%x%x", function(digits) return string.char(tonumber(digits, 16)) end))
end

local function replace(text, one)
  local made, at = {}, 1
  repeat
    local first, last = text:find(one.find, at, true)
    if not first then break end
    made[#made + 1] = text:sub(at, first - 1) .. (one.value or "")
    at = last + 1
  until not one.everywhere
  return table.concat(made) .. text:sub(at)
end

local function edit_headers(headers, edit)
  for _, name in ipairs(edit.remove or {}) do headers:remove(name) end
  for _, one in ipairs(edit.set or {}) do headers:replace(one.name, one.value or "") end
  for _, one in ipairs(edit.add or {}) do headers:add(one.name, one.value or "") end
end

local function edit_body(text, edit)
  text = bytes(edit.body) or text
  for _, one in ipairs(edit.replacements or {}) do text = replace(text, one) end
  return (bytes(edit.before) or "") .. text .. (bytes(edit.after) or "")
end

function envoy_on_response(handle)
  local headers = handle:headers()
  local status = tonumber(headers:get(":status"))
  local wanted, needs_body, needs_text = {}, false, false
  for _, edit in ipairs(handle:filterContext():get("edits")) do
    if holds(edit, status) then
      wanted[#wanted + 1] = edit
      if edit.status then headers:replace(":status", tostring(edit.status)) end
      if edit.headers then edit_headers(headers, edit.headers) end
      needs_body = needs_body or edit.changes_body
      needs_text = needs_text or (edit.changes_body and not edit.body)
    end
  end
  if not needs_body then return end
  -- What is compressed cannot be read; what takes its place is not compressed.
  if needs_text and headers:get("content-encoding") then return end
  headers:remove("content-encoding")
  headers:remove("content-length")
  headers:remove("last-modified")
  headers:remove("etag")
  local body = handle:body()
  if not body then return end
  local text = body:getBytes(0, body:length())
  for _, edit in ipairs(wanted) do
    if edit.changes_body then text = edit_body(text, edit) end
  end
  body:setBytes(text)
end
