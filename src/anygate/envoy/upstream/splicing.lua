-- JSON changed where it stands, everything else byte for byte. An edit is where it begins, where it ends (one less for
-- an insertion), and the new text. Comes after json.lua.

local concat = table.concat

-- The text with edits that do not overlap; nothing when there are none.
local function splice(text, edits)
  if #edits == 0 then return nil end
  table.sort(edits, function(one, other) return one[1] < other[1] end)
  local out, from = {}, 1
  for _, edit in ipairs(edits) do
    out[#out + 1] = sub(text, from, edit[1] - 1)
    out[#out + 1] = edit[3]
    from = edit[2] + 1
  end
  out[#out + 1] = sub(text, from)
  return concat(out)
end

-- Asks for usage in the value of `stream_options` from `first` to `last`; what is no object is replaced.
local function ask_in_options(text, first, last, edits)
  local found, own = false, {}
  local close, any = members(text, first, function(name, start, stop)
    if name == "include_usage" then
      found = true
      own[#own + 1] = { start, stop, "true" }
    end
  end)
  if not close then
    edits[#edits + 1] = { first, last, '{"include_usage":true}' }
  elseif found then
    for _, edit in ipairs(own) do edits[#edits + 1] = edit end
  else
    edits[#edits + 1] = { close, close - 1, (any and "," or "") .. '"include_usage":true' }
  end
end

-- Asks for the usage of a stream in the `options` of an object, each where it begins and ends, or by a member that has
-- to be `added`.
local function ask_for_usage(text, options, edits, added)
  for _, each in ipairs(options) do ask_in_options(text, each[1], each[2], edits) end
  if #options == 0 then added[#added + 1] = '"stream_options":{"include_usage":true}' end
end
