"""Names of the files in which trained weights lie; diffusers' and peft's own."""

#: A LoRA in the form that diffusers' pipelines load.
DIFFUSERS_WEIGHTS = "pytorch_lora_weights.safetensors"
#: An adapter in peft's form.
PEFT_WEIGHTS = "adapter_model.safetensors"
PEFT_CONFIG = "adapter_config.json"
#: All weights, in the folder that pipelines have for the network.
NETWORK_WEIGHTS = "diffusion_pytorch_model.safetensors"
NETWORK_CONFIG = "config.json"


def files_of_adapters(network: str) -> tuple[str, ...]:
    """Every file that trained weights may lie in; `network` is the folder of the whole network."""
    whole = (f"{network}/{NETWORK_WEIGHTS}", f"{network}/{NETWORK_CONFIG}")
    return (DIFFUSERS_WEIGHTS, PEFT_WEIGHTS, PEFT_CONFIG, *whole)
