"""Amazon Bedrock Converse (docs.aws.amazon.com/bedrock, API_runtime_Converse and API_runtime_ConverseStream):
backend.
"""
