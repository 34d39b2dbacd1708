"""How the model is read from a form (multipart/form-data), in Lua: Envoy has no filter for it."""

MODEL_FORM = """
local function boundary_of(kind)
  if not kind:lower():find("^%s*multipart/form%-data") then return nil end
  local at = kind:lower():find("boundary=", 1, true)
  if not at then return nil end
  local rest = kind:sub(at + 9)
  return rest:match('^"([^"]+)"') or rest:match("^([^;%s]+)")
end

local function model_in(body, boundary)
  local delimiter = "--" .. boundary
  local found = nil
  local _, at = body:find(delimiter, 1, true)
  if at and body:sub(1, 2) ~= "--" then
    _, at = body:find("\\r\\n" .. delimiter, 1, true)
  end
  while at do
    if body:sub(at + 1, at + 2) == "--" then return found or "-" end
    local head_end, content = body:find("\\r\\n\\r\\n", at, true)
    if not head_end then return "!" end
    local next_start, next_end = body:find("\\r\\n" .. delimiter, content - 1, true)
    if not next_start then return "!" end
    local head = body:sub(at, head_end + 1)
    local disposition = (head:lower():match("\\r\\n%s*content%-disposition:([^\\r\\n]*)")) or ""
    local name = disposition:match(';%s*name="([^"]*)"') or disposition:match(";%s*name=([^;%s]*)")
    if name == "model" and not disposition:find(";%s*filename") then
      local value = body:sub(content + 1, next_start - 1)
      if found and found ~= value then return "!" end
      found = value
    end
    at = next_end
  end
  return "!"
end

function envoy_on_request(handle)
  local boundary = boundary_of(handle:headers():get("content-type") or "")
  if not boundary then return end
  local model = "!"
  local body = handle:body()
  if body then
    model = model_in(body:getBytes(0, body:length()), boundary)
    if model == "" then model = "-" end
  end
  handle:streamInfo():dynamicMetadata():set("NAMESPACE", "KEY", model)
end
"""
"""Sets the metadata that the JSON reader sets too, which knew a form as no JSON. Two different models are malformed."""
