-- JSON read where it stands, without building anything of it: what scripts that come after this text need.

local byte, char, find, gsub, sub = string.byte, string.char, string.find, string.gsub, string.sub

local QUOTE, COMMA, OPEN_BRACKET, BACKSLASH, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE = 34, 44, 91, 92, 93, 123, 125
local ESCAPES = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t" }

-- The closing quote of the string that opens at `at`. Looks at quotes only, which is fast: few of them are escaped.
local function string_end(text, at)
  local from = at + 1
  while true do
    local quote = find(text, '"', from, true)
    if not quote then return nil end
    local before = quote - 1
    while byte(text, before) == BACKSLASH do before = before - 1 end
    if (quote - before) % 2 == 1 then return quote end
    from = quote + 1
  end
end

-- The last byte of the value that starts at `at`. LuaJIT compiles a loop over bytes; one over patterns it interprets.
local function value_end(text, at)
  local first = byte(text, at)
  if first == QUOTE then return string_end(text, at) end
  if first ~= OPEN_BRACE and first ~= OPEN_BRACKET then
    local stop = find(text, "[,}%] \t\r\n]", at)
    return stop and stop > at and stop - 1 or nil
  end
  local depth, mark = 0, at
  while true do
    local found = byte(text, mark)
    if found == QUOTE then
      mark = string_end(text, mark)
      if not mark then return nil end
    elseif found == OPEN_BRACE or found == OPEN_BRACKET then
      depth = depth + 1
    elseif found == CLOSE_BRACE or found == CLOSE_BRACKET then
      depth = depth - 1
      if depth == 0 then return mark end
    elseif not found then
      return nil
    end
    mark = mark + 1
  end
end

local function utf8(code)
  if code < 0x80 then return char(code) end
  if code < 0x800 then return char(0xC0 + math.floor(code / 0x40), 0x80 + code % 0x40) end
  if code < 0x10000 then
    return char(0xE0 + math.floor(code / 0x1000), 0x80 + math.floor(code / 0x40) % 0x40, 0x80 + code % 0x40)
  end
  return char(
    0xF0 + math.floor(code / 0x40000),
    0x80 + math.floor(code / 0x1000) % 0x40,
    0x80 + math.floor(code / 0x40) % 0x40,
    0x80 + code % 0x40
  )
end

-- What a JSON string says, without its quotes.
local function unescape(text)
  if not find(text, "\\", 1, true) then return text end
  text = gsub(text, "\\u([dD][89abAB]%x%x)\\u([dD][c-fC-F]%x%x)", function(high, low)
    return utf8(0x10000 + (tonumber(high, 16) - 0xD800) * 0x400 + tonumber(low, 16) - 0xDC00)
  end)
  return (gsub(text, "\\(.)(%x?%x?%x?%x?)", function(kind, digits)
    if kind == "u" and #digits == 4 then return utf8(tonumber(digits, 16)) end
    return (ESCAPES[kind] or kind) .. digits
  end))
end

-- Calls `visit(name, first, last)` with each member of the object at `at`. Returns its closing brace and whether it
-- has any member; nothing when this is no object.
local function members(text, at, visit)
  if byte(text, at) ~= OPEN_BRACE then return nil end
  local from, any = at + 1, false
  while true do
    local mark = find(text, "[^ \t\r\n]", from)
    if not mark then return nil end
    if byte(text, mark) == CLOSE_BRACE and not any then return mark, any end
    if byte(text, mark) ~= QUOTE then return nil end
    local close = string_end(text, mark)
    if not close then return nil end
    local _, colon = find(text, "^[ \t\r\n]*:[ \t\r\n]*", close + 1)
    if not colon then return nil end
    local last = value_end(text, colon + 1)
    if not last then return nil end
    any = true
    visit(unescape(sub(text, mark + 1, close - 1)), colon + 1, last)
    mark = find(text, "[^ \t\r\n]", last + 1)
    if not mark then return nil end
    if byte(text, mark) == CLOSE_BRACE then return mark, any end
    if byte(text, mark) ~= COMMA then return nil end
    from = mark + 1
  end
end

-- As `members`, of the object that is all of a text. Returns where it begins before the rest; nothing for other texts.
local function whole_object(text, visit)
  local start = find(text, "[^ \t\r\n]")
  if not start then return nil end
  local close, any = members(text, start, visit)
  if not close or find(text, "[^ \t\r\n]", close + 1) then return nil end
  return start, close, any
end

-- Calls `visit(first, last)` with each element of the array at `at`. Returns its closing bracket and whether it has
-- any element; nothing when this is no array.
local function elements(text, at, visit)
  if byte(text, at) ~= OPEN_BRACKET then return nil end
  local from, any = at + 1, false
  while true do
    local mark = find(text, "[^ \t\r\n]", from)
    if not mark then return nil end
    if byte(text, mark) == CLOSE_BRACKET and not any then return mark, any end
    local last = value_end(text, mark)
    if not last then return nil end
    any = true
    visit(mark, last)
    mark = find(text, "[^ \t\r\n]", last + 1)
    if not mark then return nil end
    if byte(text, mark) == CLOSE_BRACKET then return mark, any end
    if byte(text, mark) ~= COMMA then return nil end
    from = mark + 1
  end
end
