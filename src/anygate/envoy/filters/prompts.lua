-- The prompts of requests: fills in templates, tells the guards' filter the texts to be checked, decorates messages.
-- Comes after json.lua and splicing.lua; prompts.py puts in what begins with a dollar sign.

local DEEPEST = 16

-- The members of the body by name, each where it begins and ends, its closing brace, and whether it has any. Nothing
-- when the body is no object, or has one of the members that matter here twice: parsers differ in which one they take.
local ONCE = { messages = true, prompt = true, input = true, instructions = true, system = true, template_name = true }

local function read_body(text)
  local known, wrong = {}, false
  local start, close, any = whole_object(text, function(name, first, last)
    wrong = wrong or (known[name] ~= nil and ONCE[name] == true)
    known[name] = { first, last }
  end)
  if wrong or not start then return nil end
  return { members = known, close = close, any = any }
end

local function string_at(text, place)
  if not place or byte(text, place[1]) ~= QUOTE then return nil end
  return unescape(sub(text, place[1] + 1, place[2] - 1))
end

-- Adds what somebody says in a value: a text, or parts with texts in them. False for what cannot be read.
local SAYING = { text = true, content = true, output = true, input_text = true, arguments = true }

local function read_texts(text, at, found, depth)
  if depth > DEEPEST then return false end
  local first, good = byte(text, at), true
  local function inside(from) good = read_texts(text, from, found, depth + 1) and good end
  if first == QUOTE then
    local close = string_end(text, at)
    found[#found + 1] = unescape(sub(text, at + 1, close - 1))
  elseif first == OPEN_BRACKET then
    good = elements(text, at, inside) ~= nil and good
  elseif first == OPEN_BRACE then
    local close = members(text, at, function(name, from)
      if SAYING[name] then inside(from) end
    end)
    good = close ~= nil and good
  end
  return good
end

-- Adds a message. One that says no role counts as a user's.
local function read_message(text, at, found)
  local roles, texts, good = {}, {}, true
  local close = members(text, at, function(name, first, last)
    if name == "role" then roles[#roles + 1] = sub(text, first, last) end
    if SAYING[name] then good = read_texts(text, first, texts, 1) and good end
  end)
  local user = #roles == 0
  for _, role in ipairs(roles) do user = user or unescape(role) == '"user"' end
  found[#found + 1] = { user = user, texts = texts }
  return close ~= nil and good
end

-- Adds the messages of a list of them, or a single one of a text or of several.
local function read_messages(text, place, user, found)
  if not place then return true end
  local plain, good = {}, true
  if byte(text, place[1]) == OPEN_BRACKET then
    good = elements(text, place[1], function(first)
      if byte(text, first) == OPEN_BRACE and user then
        good = read_message(text, first, found) and good
      else
        good = read_texts(text, first, plain, 1) and good
      end
    end) ~= nil and good
  else
    good = read_texts(text, place[1], plain, 1)
  end
  if #plain > 0 then found[#found + 1] = { user = user, texts = plain } end
  return good
end

-- Well-formed UTF-8 by its first bytes. RE2 finds nothing across anything else, so that would hide the rest.
local ANY = "[\128-\191]"
local SEQUENCES = {
  { "^[\194-\223]" .. ANY, 2 },
  { "^\224[\160-\191]" .. ANY, 3 },
  { "^[\225-\236\238\239]" .. ANY .. ANY, 3 },
  { "^\237[\128-\159]" .. ANY, 3 },
  { "^\240[\144-\191]" .. ANY .. ANY, 4 },
  { "^[\241-\243]" .. ANY .. ANY .. ANY, 4 },
  { "^\244[\128-\143]" .. ANY .. ANY, 4 },
}

-- A text with what is no character, and NUL, as spaces.
local function clean(text)
  local at = find(text, "[%z\128-\255]")
  if not at then return text end
  local out, from = {}, 1
  while at do
    local length
    for _, one in ipairs(SEQUENCES) do
      if find(text, one[1], at) then length = one[2] end
    end
    if not length then
      out[#out + 1] = sub(text, from, at - 1)
      out[#out + 1] = " "
      from, length = at + 1, 1
    end
    at = find(text, "[%z\128-\255]", at + length)
  end
  out[#out + 1] = sub(text, from)
  return concat(out)
end

-- What a guard is to look at: what the last message that counts says, or all of them together.
local function checked_text(messages, guard)
  local texts = {}
  for _, one in ipairs(messages) do
    if one.user or guard.all_roles then
      if not guard.whole_history then texts = {} end
      texts[#texts + 1] = concat(one.texts, " ")
    end
  end
  return clean(concat(texts, " "))
end

-- Tells the next filter what each guard has to look at; false when the prompts cannot be read.
local function tell_guards(handle, text, known, guards)
  local messages = {}
  local good = read_messages(text, known.system, false, messages)
  good = read_messages(text, known.instructions, false, messages) and good
  for _, name in ipairs({ "prompt", "input", "messages" }) do
    good = read_messages(text, known[name], true, messages) and good
  end
  if not good then return false end
  local metadata = handle:streamInfo():dynamicMetadata()
  for index, guard in ipairs(guards) do
    metadata:set("$NAMESPACE", tostring(index - 1), checked_text(messages, guard))
  end
  return true
end

-- The value at a path of the body, as the inside of a JSON string; what is not there is empty.
local function value_at(text, known, path)
  local place = known[path[1]]
  for index = 2, #path do
    if not place then return "" end
    local inner
    members(text, place[1], function(name, first, last)
      if name == path[index] then inner = { first, last } end
    end)
    place = inner
  end
  if not place then return "" end
  if byte(text, place[1]) == QUOTE then return sub(text, place[1] + 1, place[2] - 1) end
  local value = sub(text, place[1], place[2])
  if value == "null" then return "" end
  return (gsub(value, '[%c"\\]', function(each) return string.format("\\u%04x", byte(each)) end))
end

-- The body that a template makes of a request's; nothing, and what is wrong, if there is none.
local function fill_in(text, known, templates)
  if not known.template_name then return nil, "template name is missing in request." end
  local name = string_at(text, known.template_name) or sub(text, known.template_name[1], known.template_name[2])
  for _, template in ipairs(templates) do
    if template.name == name then
      local out = {}
      for _, part in ipairs(template.parts) do
        out[#out + 1] = part.path and value_at(text, known, part.path) or part.text
      end
      return concat(out)
    end
  end
  return nil, "template: " .. name .. " not configured."
end

-- Puts messages around those of a list at `place`, or of a text; each side is JSON without its brackets.
local function surround(text, place, side, edits)
  local first = byte(text, place[1])
  if first == OPEN_BRACKET then
    local close, any = elements(text, place[1], function() end)
    if not close then return end
    if side.prepend then
      edits[#edits + 1] = { place[1] + 1, place[1], side.prepend .. ((any or side.append) and "," or "") }
    end
    if side.append then edits[#edits + 1] = { close, close - 1, (any and "," or "") .. side.append } end
  elseif first == QUOTE then
    local before = side.prepend and side.prepend .. "," or ""
    local after = side.append and "," .. side.append or ""
    local own = '{"role":"user","content":' .. sub(text, place[1], place[2]) .. "}"
    edits[#edits + 1] = { place[1], place[2], "[" .. before .. own .. after .. "]" }
  end
end

-- Puts a text of JSON before what Anthropic's API has beside the messages, which may not have its role.
local function add_system(text, place, system, edits, added)
  if not place then
    added[#added + 1] = '"system":"' .. system .. '"'
  elseif byte(text, place[1]) == QUOTE then
    edits[#edits + 1] = { place[1] + 1, place[1], system .. "\\n\\n" }
  elseif byte(text, place[1]) == OPEN_BRACKET then
    local _, any = elements(text, place[1], function() end)
    local block = '{"type":"text","text":"' .. system .. '"}' .. (any and "," or "")
    edits[#edits + 1] = { place[1] + 1, place[1], block }
  end
end

local function decorate(text, body, decoration, is_anthropic, edits, added)
  local known = body.members
  local side = is_anthropic and decoration.beside or decoration
  if is_anthropic and decoration.beside.system then
    add_system(text, known.system, decoration.beside.system, edits, added)
  end
  if not side.prepend and not side.append then return end
  local place = known.messages or known.input
  if place then
    surround(text, place, side, edits)
  else
    local both = (side.prepend or "") .. (side.prepend and side.append and "," or "") .. (side.append or "")
    added[#added + 1] = '"messages":[' .. both .. "]"
  end
end

local function is_true(text, place) return place ~= nil and sub(text, place[1], place[2]) == "true" end

-- The body with its decorations, and with usage asked for.
local function change_body(text, body, decorations, is_anthropic, usage)
  for index, decoration in ipairs(decorations) do
    local edits, added = {}, {}
    decorate(text, body, decoration, is_anthropic, edits, added)
    if #added > 0 then
      edits[#edits + 1] = { body.close, body.close - 1, (body.any and "," or "") .. concat(added, ",") }
    end
    text = splice(text, edits) or text
    body = read_body(text)
  end
  if usage and body.members.messages and not is_anthropic and is_true(text, body.members.stream) then
    local edits, added = {}, {}
    ask_for_usage(text, { body.members.stream_options }, edits, added)
    if #added > 0 then edits[#edits + 1] = { body.close, body.close - 1, "," .. added[1] } end
    text = splice(text, edits) or text
  end
  return text
end

-- Routes of AI requests put the message into an error of the format that their clients know.
local function refuse(handle, message)
  local text = handle:metadata():get("endpoint") and message
    or '{"message":"' .. gsub(message, '[%c"\\]', function(each) return string.format("\\u%04x", byte(each)) end) .. '"}\n'
  handle:respond({ [":status"] = "400", ["content-type"] = "text/plain; charset=utf-8" }, text)
end

local INVALID = "could not parse JSON request body: expected an object"

function envoy_on_request(handle)
  local context = handle:filterContext()
  local templates, guards, decorations = context:get("templates"), context:get("guards"), context:get("decorations")
  local strict, usage = templates or guards or decorations, context:get("usage")
  local path = handle:headers():get(":path") or ""
  -- Of a compressed answer no usage is read.
  if usage then handle:headers():replace("accept-encoding", "identity") end
  local buffer = handle:body()
  local length = buffer and buffer:length() or 0
  if length == 0 then
    if strict then refuse(handle, "Empty request body") end
    return
  end
  local original = buffer:getBytes(0, length)
  local text = original
  local body = read_body(text)
  if not body then
    if strict then refuse(handle, INVALID) end
    return
  end
  if templates then
    local filled, wrong = fill_in(text, body.members, templates)
    if not filled then return refuse(handle, wrong) end
    text = filled
    body = read_body(text)
  end
  if guards and not tell_guards(handle, text, body.members, guards) then return refuse(handle, INVALID) end
  local is_anthropic = find(path, "^[^?]*/messages$") or find(path, "^[^?]*/messages%?")
  text = change_body(text, body, decorations or {}, is_anthropic, usage)
  if text ~= original then buffer:setBytes(text) end
end
