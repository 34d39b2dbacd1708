-- What scripts need that ask an OpenID provider: its answers, kept for a while in each worker, and the call itself.
-- Comes after json.lua.

local MOST, LARGEST = 1000, 32 * 1024

-- When the younger table is full the older one is forgotten. Answers stand under the tokens themselves and not under
-- digests of them, as no two tokens may ever share one.
local young, old, count = {}, {}, 0

local function keep(key, text, till)
  if count >= MOST then young, old, count = {}, young, 0 end
  if not young[key] then count = count + 1 end
  young[key] = { text = text, till = till }
end

local function find_kept(key, now)
  local found = young[key] or old[key]
  return found and found.till > now and found.text or nil
end

-- The members of a JSON object as they are written; nothing for any other text, and for one that has a member twice:
-- parsers differ in which one they take.
local function read_object(text)
  local known, twice = {}, false
  local start = whole_object(text, function(name, first, last)
    twice = twice or known[name] ~= nil
    known[name] = sub(text, first, last)
  end)
  return start and not twice and known or nil
end

local function string_of(written)
  if not written or byte(written) ~= QUOTE then return nil end
  return unescape(sub(written, 2, -2))
end

-- Asks for what a route's settings name. Returns the answer and its members if it is a JSON object and not too large
-- for a header.
local function ask(handle, context, headers, body)
  headers[":path"], headers[":authority"] = context:get("path"), context:get("host")
  headers["accept"] = "application/json"
  local answer, text = handle:httpCall(context:get("cluster"), headers, body, context:get("timeout"))
  if not answer or answer[":status"] ~= "200" or not text or #text > LARGEST then return nil end
  local known = read_object(text)
  if not known then return nil end
  return text, known
end
