-- An id for requests without one. It need not be hard to guess, only be another one each time.
local DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
local NANOID = "_-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
local KSUID_EPOCH = 1400000000
local seeded = false

-- Each worker runs a script of its own, and all of them would draw the same numbers.
local function seed(handle)
  if seeded then return end
  seeded = true
  local place = tonumber((tostring({}):match("0x(%x+)") or "0"):sub(-7), 16) or 0
  math.randomseed((tonumber(handle:timestampString(EnvoyTimestampResolution.MICROSECOND)) or 0) % 2 ^ 31 + place)
  for _ = 1, 8 do math.random() end
end

local function draw(letters, length)
  local made = {}
  for at = 1, length do
    local one = math.random(#letters)
    made[at] = letters:sub(one, one)
  end
  return table.concat(made)
end

local function hex(length)
  return draw("0123456789abcdef", length)
end

local forms = {}

function forms.nanoid()
  return draw(NANOID, 21)
end

function forms.range(_, context)
  return draw(context:get("letters"), context:get("length"))
end

-- https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7: 48 bits of milliseconds, then chance.
function forms.uuid7(handle)
  local time = tonumber(handle:timestampString(EnvoyTimestampResolution.MILLISECOND))
  local text = string.format("%04x%08x", math.floor(time / 2 ^ 32), time % 2 ^ 32)
  return table.concat({ text:sub(1, 8), text:sub(9, 12), "7" .. hex(3), draw("89ab", 1) .. hex(3), hex(12) }, "-")
end

-- 4 bytes of seconds and 16 of chance, in base 62 with 27 digits.
function forms.ksuid(handle)
  local seconds = math.floor(tonumber(handle:timestampString(EnvoyTimestampResolution.MILLISECOND)) / 1000) - KSUID_EPOCH
  local bytes = {}
  for at = 3, 0, -1 do bytes[#bytes + 1] = math.floor(seconds / 256 ^ at) % 256 end
  for _ = 1, 16 do bytes[#bytes + 1] = math.random(0, 255) end
  local made = {}
  for at = 27, 1, -1 do
    local rest = 0
    for index = 1, #bytes do
      local value = rest * 256 + bytes[index]
      bytes[index], rest = math.floor(value / 62), value % 62
    end
    made[at] = DIGITS:sub(rest + 1, rest + 1)
  end
  return table.concat(made)
end

function envoy_on_request(handle)
  local context = handle:filterContext()
  local header = context:get("header")
  local known = handle:headers():get(header)
  if known and known ~= "" then return end
  seed(handle)
  handle:headers():replace(header, forms[context:get("form")](handle, context))
end
