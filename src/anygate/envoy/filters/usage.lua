-- What a stream in OpenAI's chat format cost, as it says itself. The answer passes as it is.
-- Comes after json.lua; usage.py puts in what begins with a dollar sign.

local concat = table.concat
local NEWLINE, RETURN, TWO = 10, 13, 50
local MOST = 4194304
local LONGEST_NAME = 256

local function whole(text, first, last)
  local number = find(text, "^%d", first) and tonumber(sub(text, first, last))
  return number and number % 1 == 0 and number or nil
end

local function read_details(text, first, found, names)
  members(text, first, function(name, from, last)
    local key = names[name]
    if key then found[key] = whole(text, from, last) end
  end)
end

local PROMPT = {
  cached_tokens = "cached_tokens",
  cache_write_tokens = "cache_creation_tokens",
  cache_creation_input_tokens = "cache_creation_tokens",
}
local COMPLETION = { reasoning_tokens = "reasoning_tokens" }
local COUNTS = {
  prompt_tokens = "input_tokens",
  input_tokens = "input_tokens",
  output_tokens = "output_tokens",
  completion_tokens = "output_tokens",
  prompt_cache_hit_tokens = "cached_tokens",
}
local DETAILS = { prompt_tokens_details = PROMPT, completion_tokens_details = COMPLETION }

-- Tells what the object at `start` says of its cost, if it is whole and says anything.
local function read_answer(handle, text, start)
  local usage, model
  local close = members(text, start, function(name, first, last)
    if name == "usage" then
      usage = first
    elseif name == "model" and byte(text, first) == QUOTE then
      model = unescape(sub(text, first + 1, last - 1))
    end
  end)
  if not close or not usage then return end
  local found = {}
  members(text, usage, function(name, first, last)
    if COUNTS[name] then
      found[COUNTS[name]] = whole(text, first, last) or found[COUNTS[name]]
    elseif DETAILS[name] then
      read_details(text, first, found, DETAILS[name])
    end
  end)
  if not found.input_tokens and not found.output_tokens then return end
  found.total_tokens = (found.input_tokens or 0) + (found.output_tokens or 0)
  found.model = model and sub(model, 1, LONGEST_NAME) or ""
  handle:streamInfo():dynamicMetadata():set("$NAMESPACE", "$KEY", found)
end

-- The event of which `at` is a part: where its line starts, and where it ends.
local function line_around(text, at)
  local start = at
  while start > 1 do
    local before = byte(text, start - 1)
    if before == NEWLINE or before == RETURN then break end
    start = start - 1
  end
  local stop = find(text, "[\r\n]", at)
  return start, stop and stop - 1 or #text
end

-- Looks through lines. Most have no usage in them, and a plain search is all that they cost.
local function read_lines(handle, text)
  local from = 1
  while true do
    local at = find(text, '"usage"', from, true)
    if not at then return end
    from = at + 7
    if find(text, "^[ \t]*:[ \t]*{", from) then
      local start, stop = line_around(text, at)
      local _, mark = find(text, "^data:[ \t]*", start)
      if mark then read_answer(handle, sub(text, mark + 1, stop), 1) end
      from = stop + 1
    end
  end
end

-- How much of the text is whole lines.
local function whole_lines(text)
  local last = #text
  while last > 0 and byte(text, last) ~= NEWLINE do last = last - 1 end
  return last
end

-- Events come in pieces. What follows the last line's end is kept until the rest of its line is there.
local function read_stream(handle)
  local kept, size = {}, 0
  for chunk in handle:bodyChunks() do
    local length = chunk:length()
    if length > 0 then
      local text = chunk:getBytes(0, length)
      local last = whole_lines(text)
      if last > 0 then
        local lines = last == length and text or sub(text, 1, last)
        if size > 0 then lines = concat(kept) .. lines end
        read_lines(handle, lines)
        if size > 0 then kept, size = {}, 0 end
        text = last < length and sub(text, last + 1) or ""
      end
      size = size + #text
      if size > MOST then
        kept, size = {}, 0
      elseif #text > 0 then
        kept[#kept + 1] = text
      end
    end
  end
  if size > 0 then read_lines(handle, concat(kept)) end
end

local function read_whole(handle)
  local kept, size = {}, 0
  for chunk in handle:bodyChunks() do
    local length = chunk:length()
    size = size + length
    if size > MOST then
      kept = {}
    elseif length > 0 then
      kept[#kept + 1] = chunk:getBytes(0, length)
    end
  end
  if size > MOST then return end
  local text = concat(kept)
  local start = find(text, "[^ \t\r\n]")
  if start then read_answer(handle, text, start) end
end

function envoy_on_response(handle)
  local headers = handle:headers()
  local kind, coding = headers:get("content-type"), headers:get("content-encoding")
  if not kind or byte(headers:get(":status")) ~= TWO or (coding and coding ~= "" and coding ~= "identity") then return end
  kind = kind:lower()
  if find(kind, "text/event-stream", 1, true) then
    read_stream(handle)
  elseif find(kind, "application/json", 1, true) then
    read_whole(handle)
  end
end
